//! Questions about a state, as values: they can be asked of a state here, or sent to a server.

use std::net::IpAddr;

use berth_allocator::{
    ClaimId, ClientName, PoolId, Prefix, Rejection, SessionId, Sharing, SpaceName, State, Usage,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A question about a state.
pub trait Look: Into<AnyLook> + Clone + Send + Sync {
    /// What is seen.
    type Seen: Serialize + DeserializeOwned + Send;

    /// Looks at a state.
    fn look(&self, state: &State) -> Self::Seen;
}

macro_rules! looks {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } -> $seen:ty =
        |$state:ident| $look:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name {
                $(#[allow(missing_docs, reason = "the question says it")] pub $field: $type,)*
            }

            impl Look for $name {
                type Seen = $seen;

                fn look(&self, $state: &State) -> $seen {
                    let Self { $($field),* } = self;
                    $look
                }
            }

            impl From<$name> for AnyLook {
                fn from(look: $name) -> Self {
                    Self::$name(look)
                }
            }
        )*

        /// Any of them, to be sent. A new one comes last.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum AnyLook {
            $($(#[$doc])* $name($name),)*
        }

        impl AnyLook {
            /// Looks at a state; gives what is seen as it is sent.
            pub(crate) fn look(&self, state: &State) -> Result<Vec<u8>, berth_codec::EncodeError> {
                match self {
                    $(Self::$name(look) => berth_codec::encode(&Seen(look.look(state))),)*
                }
            }
        }
    };
}

looks! {
    /// How is this space shared?
    SharingOf { space: SpaceName } -> Result<Sharing, Rejection> =
        |state| state.settings(space).map(|settings| settings.sharing);
    /// Which pools overlap this prefix?
    Overlapping { space: SpaceName, prefix: Prefix } -> Vec<PoolId> =
        |state| state.overlapping(space, *prefix).into_iter().collect();
    /// Which claim has this client on a pool?
    PoolClaim { pool: PoolId, client: ClientName } -> Result<ClaimId, Rejection> =
        |state| state.pool_claim(pool, client);
    /// Which claim has this client on an address, if any?
    AddressClaim { pool: PoolId, client: ClientName, address: IpAddr }
        -> Result<Option<ClaimId>, Rejection> =
        |state| state.address_claim(pool, client, *address);
    /// How are a pool's addresses used?
    UsageOf { pool: PoolId } -> Result<Usage, Rejection> =
        |state| state.pool(pool).map(|pool| pool.usage);
    /// Which is the latest session of the claimant that this client belongs to?
    LatestSession { space: SpaceName, client: ClientName } -> Option<SessionId> =
        |state| state.latest_session(space, client);
    /// Through which host was this session opened?
    OpenedBy { space: SpaceName, session: SessionId } -> Option<ClientName> =
        |state| state.session(space, *session).map(|(client, _)| client);
}

/// What is seen, as it is sent.
#[derive(Serialize, Deserialize)]
pub(crate) struct Seen<T>(pub(crate) T);

impl<T: Serialize + DeserializeOwned> berth_codec::Record for Seen<T> {
    const KIND: berth_codec::Kind = berth_codec::Kind::PeerMessage;
    const VERSION: u8 = 1;
    /// 4 MiB: the pools of a space.
    const LIMIT: usize = 4 << 20;
}
