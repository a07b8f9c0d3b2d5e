//! Reads a file as it comes, a line at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use berth_allocator::{
    AddressKind, ClientName, Labels, Millis, NameError, Owner, PoolId, PoolName, PoolRange, Prefix,
    Reserve, Sharing, SpaceName, SpaceSettings, Text,
};

use super::plan::{Cooling, Host, Plan, PlannedAddress, PlannedPool, PlannedSpace};
use super::{FILE_BYTES_MAX, LINE_BYTES_MAX, LINES_MAX, refused};
use crate::api::Problem;
use crate::api::types::{
    Address, AddressState, EXPORT_VERSION, ExportLine, Pool, Reservation, Scope, Space,
};
use crate::code::Code;

/// Where in the file the next line stands.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    First,
    Inside,
    Behind,
}

/// A file, as far as it has come.
#[derive(Default)]
pub(crate) struct Reader {
    plan: Plan,
    place: Place,
    /// Lines that were read.
    line: u64,
    bytes: u64,
    /// The beginning of the next line.
    rest: Vec<u8>,
    hosts: BTreeMap<ClientName, Host>,
    spaces: BTreeMap<SpaceName, usize>,
    /// By space, prefix and sub-pool: its place in the space.
    pools: BTreeMap<(usize, Prefix, Option<Prefix>), usize>,
    addresses: BTreeSet<(usize, IpAddr)>,
}

impl Reader {
    /// Takes more of the file.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.bytes += bytes.len() as u64;
        if self.bytes > FILE_BYTES_MAX {
            let detail = format!("an import has {} MiB at most", FILE_BYTES_MAX >> 20);
            return Err(Problem::new(Code::TooLarge, detail));
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.rest.len() + piece.len() > LINE_BYTES_MAX {
                let why = format!("line {} has more than {LINE_BYTES_MAX} bytes", self.line + 1);
                return Err(Problem::new(Code::TooLarge, why));
            }
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let mut line = std::mem::take(&mut self.rest);
                self.line(&line)?;
                line.clear();
                self.rest = line;
            }
        }
        Ok(())
    }

    /// All has come.
    pub(crate) fn finish(self) -> Result<Plan, Problem> {
        if self.rest.is_empty() && self.place == Place::Behind {
            return Ok(self.plan);
        }
        let why = "the file was cut, or is no export: it has no last line of the type \"end\"";
        Err(refused(self.line + 1, why))
    }

    fn line(&mut self, text: &[u8]) -> Result<(), Problem> {
        self.line += 1;
        if self.line > LINES_MAX {
            let detail = format!("an import has {LINES_MAX} lines at most: export single spaces");
            return Err(Problem::new(Code::TooLarge, detail));
        }
        let parsed = serde_json::from_slice(text);
        let line: ExportLine =
            parsed.map_err(|error| self.wrong(format!("this is no line of an export: {error}")))?;
        match (self.place, line) {
            (Place::First, ExportLine::Export { version: EXPORT_VERSION, .. }) => {
                self.place = Place::Inside;
                Ok(())
            }
            (Place::First, ExportLine::Export { version, .. }) => Err(self.wrong(format!(
                "the export has version {version}, this Berth reads {EXPORT_VERSION}"
            ))),
            (Place::First, _) => Err(self.wrong("an export begins with the type \"export\"")),
            (Place::Behind, _) => Err(self.wrong("an export ends with the type \"end\"")),
            (Place::Inside, ExportLine::Export { .. }) => {
                Err(self.wrong("another export begins: import one at a time"))
            }
            (Place::Inside, ExportLine::Space(space)) => self.space(*space),
            (Place::Inside, ExportLine::Reservation { space, reservation }) => {
                self.reservation(&space, reservation)
            }
            (Place::Inside, ExportLine::Pool(pool)) => self.pool(*pool),
            (Place::Inside, ExportLine::Address(address)) => self.address(*address),
            (Place::Inside, ExportLine::End { lines }) => {
                if lines + 1 != self.line {
                    let before = self.line - 1;
                    let why = format!("{lines} lines should be before this one, and {before} are");
                    return Err(self.wrong(why));
                }
                self.place = Place::Behind;
                Ok(())
            }
        }
    }

    fn wrong(&self, why: impl std::fmt::Display) -> Problem {
        refused(self.line, why)
    }

    fn space(&mut self, space: Space) -> Result<(), Problem> {
        let name = self.text(SpaceName::new(space.name))?;
        self.global(space.scope)?;
        let sharing = match space.sharing.as_str() {
            "exclusive" => Sharing::Exclusive,
            "shared" => Sharing::Shared,
            other => {
                return Err(self.wrong(format!("{other:?} is no sharing of a cluster's space")));
            }
        };
        if space.behind {
            let why =
                format!("{name} was restored, and may lack something: resume it, export anew");
            return Err(self.wrong(why));
        }
        let mut ranges = Vec::new();
        for range in space.ranges {
            let base = range.base.parse();
            let base = base.map_err(|_| self.wrong(format!("{:?} is no range", range.base)))?;
            ranges.push(PoolRange { base, length: range.length });
        }
        let reuse_delay = Millis::new(space.reuse_delay_ms);
        let settings = SpaceSettings { sharing, ranges, reuse_delay, apart: space.apart };
        if self.spaces.insert(name.clone(), self.plan.spaces.len()).is_some() {
            return Err(self.wrong(format!("{name} is there twice")));
        }
        let (reservations, pools) = (Vec::new(), Vec::new());
        let space = PlannedSpace { line: self.line, name, settings, reservations, pools };
        self.plan.spaces.push(space);
        Ok(())
    }

    fn reservation(&mut self, space: &str, reservation: Reservation) -> Result<(), Problem> {
        let at = self.space_of(space)?;
        let Reservation { first, last, note, common } = reservation;
        let note = self.text(Text::new(note))?;
        let line = self.line;
        let space = &mut self.plan.spaces[at];
        let reserve = Reserve { space: space.name.clone(), first, last, note, common };
        space.reservations.push((line, reserve));
        Ok(())
    }

    fn pool(&mut self, pool: Pool) -> Result<(), Problem> {
        self.global(pool.scope)?;
        let id = self.pool_id(&pool.id)?;
        let space = self.space_of(&pool.space)?;
        let same = |text: Option<&String>, prefix: Option<Prefix>| {
            text.cloned() == prefix.map(|prefix| prefix.to_string())
        };
        if id.space.as_str() != pool.space
            || !same(Some(&pool.prefix), Some(id.prefix))
            || !same(pool.sub_pool.as_ref(), id.sub_pool)
        {
            return Err(self.wrong(format!("the pool's id {} is another pool's", pool.id)));
        }
        if pool.behind {
            let why = format!("{} was restored, and may lack something: resume it first", pool.id);
            return Err(self.wrong(why));
        }
        let mut holders = Vec::new();
        for holder in pool.holders {
            holders.push(self.host(holder.host)?);
        }
        if holders.is_empty() {
            return Err(self.wrong("nobody holds the pool"));
        }
        let name = pool.name.map(PoolName::new).transpose();
        let planned = PlannedPool {
            line: self.line,
            prefix: id.prefix,
            sub_pool: id.sub_pool,
            name: self.text(name)?,
            gateway: pool.gateway,
            labels: self.labels(pool.labels)?,
            holders,
            addresses: Vec::new(),
        };
        let pools = &mut self.plan.spaces[space].pools;
        let known = self.pools.insert((space, id.prefix, id.sub_pool), pools.len());
        pools.push(planned);
        if known.is_some() {
            return Err(self.wrong(format!("pool {} is there twice", pool.id)));
        }
        Ok(())
    }

    fn address(&mut self, address: Address) -> Result<(), Problem> {
        self.global(address.scope)?;
        let id = self.pool_id(&address.pool)?;
        let space = self.space_of(&address.space)?;
        let pool = self.pools.get(&(space, id.prefix, id.sub_pool)).copied();
        let pool = pool.filter(|_| id.space.as_str() == address.space).ok_or_else(|| {
            self.wrong(format!("pool {} stands in no line before this one", address.pool))
        })?;
        let cooling = match address.state {
            AddressState::Held | AddressState::Stale | AddressState::Suspect => None,
            AddressState::Cooling => {
                Some(Cooling { unverified: address.unverified.unwrap_or_default() })
            }
            other => return Err(self.wrong(format!("nobody holds an address that is {other:?}"))),
        };
        let address_of = address.address;
        let claim = address.claim.ok_or_else(|| self.wrong("nobody holds the address"))?;
        let kind = match claim.kind.as_str() {
            "endpoint" => AddressKind::Endpoint,
            "gateway" => AddressKind::Gateway,
            "auxiliary" => AddressKind::Auxiliary,
            other => return Err(self.wrong(format!("{other:?} is no kind of an address"))),
        };
        let owner = Owner {
            name: self.text(claim.owner.map(Text::new).transpose())?,
            mac: self.text(claim.mac.map(Text::new).transpose())?,
            labels: self.labels(claim.labels)?,
        };
        let owner = (owner != Owner::default()).then(|| Box::new(owner));
        let host = self.host(claim.host)?;
        if !self.addresses.insert((space, address_of)) {
            return Err(self.wrong(format!("{address_of} is there twice")));
        }
        let line = self.line;
        let space = &mut self.plan.spaces[space];
        let shared = space.is_shared();
        let pool = &mut space.pools[pool];
        // Its host has left the network since.
        if shared && cooling.is_some() && !pool.holders.contains(&host) {
            self.plan.left_out += 1;
            return Ok(());
        }
        let address = PlannedAddress { line, address: address_of, host, kind, owner, cooling };
        pool.addresses.push(address);
        Ok(())
    }

    fn space_of(&self, name: &str) -> Result<usize, Problem> {
        let place = SpaceName::new(name).ok().and_then(|name| self.spaces.get(&name).copied());
        place.ok_or_else(|| self.wrong(format!("space {name:?} stands in no line before this one")))
    }

    fn pool_id(&self, text: &str) -> Result<PoolId, Problem> {
        text.parse().map_err(|error| self.wrong(error))
    }

    fn global(&self, scope: Scope) -> Result<(), Problem> {
        match scope {
            Scope::Global => Ok(()),
            Scope::Local => {
                Err(self.wrong("what is a host's own is not imported: its engine claims it"))
            }
        }
    }

    fn host(&mut self, name: String) -> Result<Host, Problem> {
        let name = self.text(ClientName::new(name))?;
        let next = self.plan.hosts.len();
        let host = *self.hosts.entry(name.clone()).or_insert(next);
        if host == next {
            self.plan.hosts.push(name);
        }
        Ok(host)
    }

    fn labels(&self, labels: BTreeMap<String, String>) -> Result<Labels, Problem> {
        let mut checked = BTreeMap::new();
        for (key, value) in labels {
            checked.insert(self.text(Text::new(key))?, self.text(Text::new(value))?);
        }
        self.text(Labels::new(checked))
    }

    fn text<T>(&self, checked: Result<T, NameError>) -> Result<T, Problem> {
        checked.map_err(|error| self.wrong(error))
    }
}
