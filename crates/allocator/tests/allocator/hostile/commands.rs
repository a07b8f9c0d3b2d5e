//! Commands, ordinary and extreme.

use std::net::IpAddr;

use berth_allocator::{
    AddressKind, ClaimId, ClientName, Command, Evidence, Family, FreeSuspect, Labels, Level,
    MakeToken, Millis, OpenSession, Order, PoolId, PoolName, PoolRange, Prefix, Register,
    ReleaseAddress, ReleasePool, Renew, RequestAddress, RequestPool, Reserve, Revision, Role,
    SessionId, Sharing, SpaceName, SpaceSettings, Text, TokenId, WantedPool,
};
use proptest::prelude::*;

use crate::world::{plain_request, prefix, space};

/// Makes a space of each kind, with pools, addresses, cooling ones, reservations and suspects.
pub(crate) fn ordinary() -> Vec<Command> {
    let mut commands = Vec::new();
    for (name, sharing) in
        [("x", Sharing::Exclusive), ("s", Sharing::Shared), ("l", Sharing::Local)]
    {
        let settings = SpaceSettings { sharing, ..SpaceSettings::exclusive(None) };
        commands.push(Command::CreateSpace { name: space(name), settings });
        // After the client's registration each command has the next revision.
        let session = SessionId::new(commands.len() as u64 + 2);
        commands.push(Command::OpenSession(OpenSession { space: space(name), known: None }));
        for (whole, part) in [
            ("10.0.0.0/8", Some("10.1.0.0/16")),
            ("10.1.0.0/24", Some("10.1.0.0/25")),
            ("fd00::/64", None),
            ("::/0", Some("fd00::/120")),
            ("0.0.0.0/0", Some("10.0.0.0/8")),
        ] {
            let (whole, part) = (prefix(whole), part.map(prefix));
            let wanted = WantedPool::Exact { prefix: whole, sub_pool: part };
            let labels = Labels::default();
            let request = RequestPool { space: space(name), session, wanted, labels };
            commands.push(Command::RequestPool(request));
            let pool = PoolId { space: space(name), epoch: None, prefix: whole, sub_pool: part };
            for key in ["web", "db"] {
                let claim = ClaimId::new(commands.len() as u64 + 2);
                let key = Some(Text::new(key).unwrap());
                let request = RequestAddress { key, ..plain_request(&pool, None) };
                commands.push(Command::RequestAddress(request));
                let address = part.unwrap_or(whole).network();
                let (pool, verify) = (pool.clone(), true);
                let release = ReleaseAddress { pool, address, claim, verify };
                commands.push(Command::ReleaseAddress(release));
            }
        }
        commands.push(Command::Reserve(Reserve {
            space: space(name),
            first: "10.1.0.9".parse().unwrap(),
            last: "10.1.0.200".parse().unwrap(),
            note: Text::new("router").unwrap(),
            common: true,
        }));
    }
    commands
}

/// Any command, and batches of them.
pub(super) fn arbitrary() -> impl Strategy<Value = Command> {
    prop_oneof![
        9 => single(),
        1 => prop::collection::vec(single(), 0..5).prop_map(Command::Batch),
    ]
}

fn single() -> impl Strategy<Value = Command> {
    let spaces = || a_space();
    prop_oneof![
        (any::<u128>(), number()).prop_map(|(instance, lease)| {
            let address = Text::new("anywhere").unwrap();
            Command::Register(Register { instance, address, lease: Millis::new(lease) })
        }),
        (any::<u128>(), number()).prop_map(|(instance, lease)| {
            Command::Renew(Renew { instance, lease: Millis::new(lease) })
        }),
        (spaces(), prop::option::of(number())).prop_map(|(space, known)| {
            Command::OpenSession(OpenSession { space, known: known.map(SessionId::new) })
        }),
        (spaces(), settings()).prop_map(|(name, settings)| Command::CreateSpace { name, settings }),
        (spaces(), settings()).prop_map(|(name, settings)| Command::UpdateSpace { name, settings }),
        spaces().prop_map(|name| Command::DeleteSpace { name }),
        (spaces(), number(), wanted()).prop_map(|(space, session, wanted)| {
            let (session, labels) = (SessionId::new(session), Labels::default());
            Command::RequestPool(RequestPool { space, session, wanted, labels })
        }),
        (pool_id(), number(), any::<bool>()).prop_map(|(pool, claim, verify)| {
            Command::ReleasePool(ReleasePool { pool, claim: ClaimId::new(claim), verify })
        }),
        request_address(),
        (pool_id(), address(), number(), any::<bool>()).prop_map(
            |(pool, address, claim, verify)| {
                let claim = ClaimId::new(claim);
                Command::ReleaseAddress(ReleaseAddress { pool, address, claim, verify })
            }
        ),
        (spaces(), address(), address(), any::<bool>()).prop_map(|(space, first, last, common)| {
            let note = Text::new("").unwrap();
            Command::Reserve(Reserve { space, first, last, note, common })
        }),
        (spaces(), address()).prop_map(|(space, first)| Command::Unreserve { space, first }),
        free_suspect(),
        Just(Command::ForgetHost { client: ClientName::new("host").unwrap() }),
        Just(Command::DeclareBehind),
        pool_id().prop_map(|pool| Command::ClearBehind { pool }),
        prop::option::of(spaces()).prop_map(|space| Command::Resume { space }),
        tokens(),
        (0_u16..4).prop_map(|to| Command::RaiseLevel { to: Level::new(to) }),
    ]
}

fn tokens() -> impl Strategy<Value = Command> {
    let role = prop_oneof![
        Just(Role::Server),
        Just(Role::Read),
        Just(Role::Admin),
        a_space().prop_map(Role::Allocate)
    ];
    let (hash, uses) = (0_u8..4, prop::option::of(0_u32..3));
    let lifetime = prop::option::of(number().prop_map(Millis::new));
    prop_oneof![
        (hash, role, lifetime, uses).prop_map(|(hash, role, lifetime, uses)| {
            let note = Text::new("").unwrap();
            Command::MakeToken(MakeToken { hash: [hash; 32], role, note, lifetime, uses })
        }),
        number().prop_map(|token| Command::RevokeToken { token: TokenId::new(token) }),
        (0_u8..4, 0_u8..2).prop_map(|(hash, by)| {
            let by = Text::new(format!("n{by}")).unwrap();
            Command::UseToken { hash: [hash; 32], by }
        }),
    ]
}

fn a_space() -> impl Strategy<Value = SpaceName> {
    prop::sample::select(vec!["x", "s", "l", "new"]).prop_map(space)
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..80, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1), 1 => any::<u64>()]
}

fn a_prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![
        prop::sample::select(vec![
            "0.0.0.0/0",
            "::/0",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.0.0/24",
            "10.1.0.0/25",
            "255.255.255.255/32",
            "128.0.0.0/1",
            "fd00::/64",
            "fd00::/120",
            "8000::/1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ])
        .prop_map(prefix),
        (any::<IpAddr>(), any::<u8>())
            .prop_filter_map("too long", |(ip, length)| { Prefix::of(ip, length) }),
    ]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<IpAddr>(),
        a_prefix().prop_map(Prefix::network),
        a_prefix().prop_map(|prefix| prefix.address(prefix.last_offset())),
        (0_u128..300).prop_map(|offset| prefix("10.1.0.0/16").address(offset)),
    ]
}

fn pool_id() -> impl Strategy<Value = PoolId> {
    let epoch = prop::option::of(number().prop_map(SessionId::new));
    let known = prop::sample::select(vec![
        ("10.0.0.0/8", Some("10.1.0.0/16")),
        ("10.1.0.0/24", Some("10.1.0.0/25")),
        ("fd00::/64", None),
        ("::/0", Some("fd00::/120")),
        ("0.0.0.0/0", Some("10.0.0.0/8")),
    ])
    .prop_map(|(whole, part)| (prefix(whole), part.map(prefix)));
    let any = (a_prefix(), prop::option::of(a_prefix()));
    (a_space(), epoch, prop_oneof![3 => known, 1 => any])
        .prop_map(|(space, epoch, (prefix, sub_pool))| PoolId { space, epoch, prefix, sub_pool })
}

fn settings() -> impl Strategy<Value = SpaceSettings> {
    let sharing = prop::sample::select(vec![Sharing::Exclusive, Sharing::Shared, Sharing::Local]);
    let range = (a_prefix(), any::<u8>())
        .prop_map(|(base, length)| PoolRange { base: base.into(), length });
    let ranges = prop::collection::vec(range, 0..3);
    (sharing, ranges, number(), any::<bool>()).prop_map(|(sharing, ranges, reuse, apart)| {
        SpaceSettings { sharing, ranges, reuse_delay: Millis::new(reuse), apart }
    })
}

fn wanted() -> impl Strategy<Value = WantedPool> {
    let family = prop::sample::select(vec![Family::V4, Family::V6]);
    let name = prop::option::of(Just(PoolName::new("apps").unwrap()));
    let exclude = prop::collection::vec(a_prefix(), 0..3);
    let length = prop::option::of(any::<u8>());
    prop_oneof![
        (a_prefix(), prop::option::of(a_prefix()))
            .prop_map(|(prefix, sub_pool)| WantedPool::Exact { prefix, sub_pool }),
        (family, length, exclude, name).prop_map(|(family, length, exclude, name)| {
            WantedPool::Automatic { family, length, exclude, name }
        }),
    ]
}

fn request_address() -> impl Strategy<Value = Command> {
    let kinds = vec![AddressKind::Endpoint, AddressKind::Gateway, AddressKind::Auxiliary];
    let kind = prop::sample::select(kinds);
    let order = prop::sample::select(vec![Order::First, Order::Serial]);
    let asked = prop::option::of(address());
    let key = prop::option::of(Just(Text::new("web").unwrap()));
    (pool_id(), asked, kind, order, key, any::<bool>()).prop_map(
        |(pool, address, kind, order, key, unverified)| {
            let plain = plain_request(&pool, address);
            Command::RequestAddress(RequestAddress { kind, order, key, unverified, ..plain })
        },
    )
}

fn free_suspect() -> impl Strategy<Value = Command> {
    let observation = (number(), number()).prop_map(|(session, began)| Evidence::Observation {
        session: SessionId::new(session),
        began: Revision::new(began),
    });
    let operator = any::<bool>().prop_map(|force| Evidence::Operator { force, note: None });
    let evidence = prop_oneof![observation, operator];
    (pool_id(), prop::option::of(address()), number(), evidence).prop_map(
        |(pool, address, claim, evidence)| {
            let claim = ClaimId::new(claim);
            Command::FreeSuspect(FreeSuspect { pool, address, claim, evidence })
        },
    )
}
