//! Clients: their incarnations, and the lease that guards their identity.

use super::Outcome;
use crate::claim::ClientNumber;
use crate::limits::{CLIENTS_MAX, LEASE_MS_MAX};
use crate::names::ClientName;
use crate::session::{Client, Window};
use crate::{Incarnation, Limit, Millis, Register, Rejection, Renew, Response, State};

impl State {
    pub(super) fn register(&mut self, name: &ClientName, register: &Register) -> Outcome {
        check_lease(register.lease)?;
        let (revision, now) = self.current();
        let held_until = now.after(register.lease);
        let begun = Client {
            name: name.clone(),
            incarnation: Incarnation::new(revision),
            instance: register.instance,
            address: register.address.clone(),
            since: now,
            held_until,
            window: Window::default(),
            previous: None,
        };
        let Some(&number) = self.client_numbers.get(name) else {
            if self.clients.len() >= CLIENTS_MAX {
                return Err(Rejection::Limit(Limit::Clients));
            }
            let number = u32::try_from(self.clients.len()).expect("CLIENTS_MAX fits");
            self.client_numbers.insert(name.clone(), ClientNumber(number));
            self.clients.push(begun);
            return Ok(Response::Registered(Incarnation::new(revision)));
        };
        let client = self.client_mut(number).expect("numbers name clients that exist");
        if client.instance == register.instance {
            client.held_until = client.held_until.max(held_until);
            return Ok(Response::Registered(client.incarnation));
        }
        if client.held_until > now {
            let (address, since) = (client.address.clone(), client.since);
            return Err(Rejection::IdentityTaken { client: name.clone(), address, since });
        }
        let window = core::mem::take(&mut client.window);
        let previous = Some((client.incarnation, window));
        *client = Client { previous, ..begun };
        Ok(Response::Registered(client.incarnation))
    }

    pub(super) fn renew(&mut self, number: ClientNumber, renew: &Renew) -> Outcome {
        check_lease(renew.lease)?;
        let held_until = self.now.after(renew.lease);
        let client = self.client_mut(number).expect("numbers name clients that exist");
        if client.instance != renew.instance {
            let (client, address, since) =
                (client.name.clone(), client.address.clone(), client.since);
            return Err(Rejection::IdentityTaken { client, address, since });
        }
        client.held_until = held_until;
        Ok(Response::Done)
    }
}

fn check_lease(lease: Millis) -> Result<(), Rejection> {
    if lease.get() > LEASE_MS_MAX { Err(Rejection::Limit(Limit::Lease)) } else { Ok(()) }
}
