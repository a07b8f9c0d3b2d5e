//! Reservations: addresses taken out of use, and given back.

use core::net::IpAddr;

use super::Outcome;
use crate::limits::RESERVATIONS_PER_SPACE_MAX;
use crate::names::SpaceName;
use crate::prefix::number;
use crate::settings::Reservation;
use crate::space::{Space, overlap};
use crate::{Family, Limit, Prefix, Rejection, Reserve, Response, State};

impl State {
    pub(super) fn reserve(&mut self, reserve: &Reserve) -> Outcome {
        let &Reserve { first, last, common, .. } = reserve;
        let room = self.check_room();
        let mut space = self.space_mut(&reserve.space)?;
        if Family::of(first) != Family::of(last) || number(first) > number(last) {
            return Err(Rejection::InvalidRange { first, last });
        }
        if space.reservations.len() >= RESERVATIONS_PER_SPACE_MAX {
            return Err(Rejection::Limit(Limit::Reservations));
        }
        let before = space.reservations.range(..=last).next_back();
        if let Some((_, other)) = before
            && Family::of(other.first) == Family::of(first)
            && other.last >= first
        {
            return Err(Rejection::ReservationOverlaps { first: other.first });
        }
        room?;
        let reservation = Reservation { first, last, note: reserve.note.clone(), common };
        space.bytes += reservation.bytes();
        space.reservations.insert(first, reservation.clone());
        refresh(&mut space, &reservation);
        Ok(Response::Done)
    }

    pub(super) fn unreserve(&mut self, space: &SpaceName, first: IpAddr) -> Outcome {
        let mut space = self.space_mut(space)?;
        match space.reservations.remove(&first) {
            Some(reservation) => {
                space.bytes -= reservation.bytes();
                refresh(&mut space, &reservation);
                Ok(Response::Done)
            }
            None => Err(Rejection::UnknownReservation { first }),
        }
    }
}

/// Computes anew what is taken where the reservation lies.
fn refresh(space: &mut Space, reservation: &Reservation) {
    let prefixes: alloc::vec::Vec<Prefix> = space.sets.keys().copied().collect();
    for prefix in prefixes {
        if let Some((first, last)) = overlap(prefix, reservation) {
            space.recompute_taken(prefix, first..=last);
        }
    }
}
