//! A connection to a member.

use anyhow::{Context, Result};
use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::wire::{
    Compare, DeleteRangeRequest, DeleteRangeResponse, KeyValue, ModRevision, Op, PutRequest,
    RangeRequest, RequestOp, StatusRequest, StatusResponse, TARGET_MOD, TxnRequest, TxnResponse,
};

const TXN: &str = "/etcdserverpb.KV/Txn";
const DELETE_RANGE: &str = "/etcdserverpb.KV/DeleteRange";
const STATUS: &str = "/etcdserverpb.Maintenance/Status";

/// A connection, which its copies share.
#[derive(Clone)]
pub(crate) struct Kv(Grpc<Channel>);

/// What became of a write that depends on what was there.
pub(crate) enum Written {
    /// It was carried out, at this revision.
    At(i64),
    /// Something else was there, or nothing.
    Found(Option<KeyValue>),
}

impl Kv {
    /// Connects, and stays connected.
    pub(crate) async fn connect(endpoint: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(endpoint.to_owned())?.tcp_nodelay(true);
        Ok(Self(Grpc::new(endpoint.connect().await.context("cannot connect to etcd")?)))
    }

    async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = self.0.clone();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        Ok(grpc.unary(Request::new(request), path, codec).await?.into_inner())
    }

    /// Writes a key that was last written at this revision, zero if it is not there. Else says what is there,
    /// if `look` wants to know.
    pub(crate) async fn write(
        &self,
        key: &str,
        revision: i64,
        value: Vec<u8>,
        look: bool,
    ) -> Result<Written, Status> {
        let key = key.as_bytes().to_vec();
        let op = |op| vec![RequestOp { request: Some(op) }];
        let compare = Compare {
            target: TARGET_MOD,
            key: key.clone(),
            mod_revision: Some(ModRevision::Is(revision)),
        };
        let request = TxnRequest {
            compare: vec![compare],
            success: op(Op::Put(PutRequest { key: key.clone(), value })),
            failure: if look { op(Op::Range(RangeRequest { key })) } else { Vec::new() },
        };
        let answer: TxnResponse = self.call(TXN, request).await?;
        if answer.succeeded {
            return Ok(Written::At(answer.header.unwrap_or_default().revision));
        }
        let range = answer.responses.into_iter().next().and_then(|response| response.range);
        Ok(Written::Found(range.and_then(|range| range.kvs.into_iter().next())))
    }

    /// Removes a key.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), Status> {
        let request = DeleteRangeRequest { key: key.as_bytes().to_vec(), range_end: Vec::new() };
        self.call::<_, DeleteRangeResponse>(DELETE_RANGE, request).await.map(|_| ())
    }

    /// Removes all keys that begin so.
    pub(crate) async fn remove_all(&self, prefix: &str) -> Result<(), Status> {
        let key = prefix.as_bytes().to_vec();
        let mut range_end = key.clone();
        if let Some(last) = range_end.last_mut() {
            *last += 1;
        }
        let request = DeleteRangeRequest { key, range_end };
        self.call::<_, DeleteRangeResponse>(DELETE_RANGE, request).await.map(|_| ())
    }

    /// Whether this member leads; an error while nobody does.
    pub(crate) async fn leads(&self) -> Result<bool, Status> {
        let status: StatusResponse = self.call(STATUS, StatusRequest {}).await?;
        if status.leader == 0 {
            return Err(Status::unavailable("nobody leads"));
        }
        Ok(status.header.is_some_and(|header| header.member_id == status.leader))
    }
}
