//! Raft's messages over our transport.

use std::future::Future;
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use super::appending::Appending;
use super::{EntryRecord, LogId, LogPosition, PeerNode, Snapshot, TypeConfig, Vote, VoteRecord};
use crate::blocking;
use crate::snapshot::SnapshotFile;
use crate::transport::{
    AppendOutcome, CallError, Candidacy, Lane, Link, Links, Request, Response, TransferOutcome,
};
use crate::{Deadline, NodeId};

/// Bytes of a snapshot in one message.
const PIECE_BYTES: usize = 1 << 20;

/// Makes connections for the library.
pub(crate) struct NetworkFactory {
    pub(crate) links: Links,
    pub(crate) append_timeout: Duration,
    pub(crate) piece_timeout: Duration,
}

impl NetworkFactory {
    fn network(&self, target: u64, node: &PeerNode, lane: Lane) -> Network {
        self.links.hint(NodeId::new(target), node);
        Network {
            link: self.links.to(NodeId::new(target), lane),
            append_timeout: self.append_timeout,
            piece_timeout: self.piece_timeout,
        }
    }
}

/// Where a member is, a link finds out for itself, each time that it connects: the library keeps its
/// connections when a member moves.
impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = Network;

    async fn new_client(&mut self, target: u64, node: &PeerNode) -> Network {
        self.network(target, node, Lane::Log)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &PeerNode) -> Network {
        self.network(target, node, Lane::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &PeerNode) -> Network {
        self.network(target, node, Lane::Snapshot)
    }
}

/// One lane to one peer.
pub(crate) struct Network {
    link: Link,
    append_timeout: Duration,
    piece_timeout: Duration,
}

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;

impl Network {
    async fn call(&self, request: &Request, patience: Duration) -> RpcResult<Response> {
        match self.link.call(request, Deadline::after(patience)).await {
            Ok(Response::Failed { reason }) => Err(unexpected(&reason)),
            Ok(response) => Ok(response),
            Err(error @ CallError::NotSent(_)) => Err(Unreachable::new(&error).into()),
            Err(error @ CallError::Lost(_)) => Err(NetworkError::new(&error).into()),
        }
    }

    async fn append(
        &self,
        append: AppendEntriesRequest<TypeConfig>,
        sign_of_life: Duration,
    ) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
        // Storing entries may take longer than a sign of life.
        let patience = if append.entries.is_empty() {
            sign_of_life
        } else {
            self.append_timeout.max(sign_of_life)
        };
        let request = Request::Append {
            vote: VoteRecord::from(&append.vote),
            previous: append.prev_log_id.as_ref().map(LogPosition::from),
            entries: append.entries.iter().map(EntryRecord::from).collect(),
            committed: append.leader_commit.as_ref().map(LogPosition::from),
        };
        let Response::Appended(outcome) = self.call(&request, patience).await? else {
            return Err(unexpected("not an answer to entries"));
        };
        Ok(match outcome {
            AppendOutcome::Stored => AppendEntriesResponse::Success,
            AppendOutcome::Partly(upto) => {
                AppendEntriesResponse::PartialSuccess(upto.map(LogId::from))
            }
            AppendOutcome::Conflict => AppendEntriesResponse::Conflict,
            AppendOutcome::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote.into()),
        })
    }

    async fn ask_for_vote(
        &self,
        request: &Request,
        option: &RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        match self.call(request, option.soft_ttl()).await? {
            Response::Voted { vote, granted, last } => {
                Ok(VoteResponse::new(Vote::from(vote), last.map(LogId::from), granted))
            }
            _ => Err(unexpected("not an answer to a vote")),
        }
    }

    async fn send_snapshot(
        &self,
        vote: &Vote,
        snapshot: &SnapshotFile,
        patience: Duration,
    ) -> Result<Vote, StreamingError<TypeConfig>> {
        let begin =
            Request::SnapshotBegin { vote: VoteRecord::from(vote), length: snapshot.length() };
        self.call(&begin, self.piece_timeout).await?;
        let mut offset = 0;
        while offset < snapshot.length() {
            let file = snapshot.clone();
            let reading = blocking::spawn(move || file.read(offset, PIECE_BYTES));
            let read = reading.await.map_err(|error| NetworkError::new(&error))?;
            let bytes = read.map_err(|error| NetworkError::new(&error))?;
            let length = bytes.len() as u64;
            let piece = Request::SnapshotPiece { offset, bytes: bytes.into() };
            self.call(&piece, self.piece_timeout).await?;
            offset += length;
        }
        match self.call(&Request::SnapshotEnd, patience).await? {
            Response::SnapshotInstalled { vote } => Ok(vote.into()),
            _ => Err(unexpected("not an answer to a snapshot").into()),
        }
    }
}

fn unexpected(reason: &str) -> RPCError<TypeConfig> {
    NetworkError::from_string(reason).into()
}

fn candidacy(request: &VoteRequest<TypeConfig>) -> Candidacy {
    Candidacy {
        vote: VoteRecord::from(&request.vote),
        last: request.last_log_id.as_ref().map(LogPosition::from),
        transfer: request.leadership_transfer,
    }
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        append: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
        self.append(append, option.soft_ttl()).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let this = &*self;
        let send = move |append| this.append(append, option.soft_ttl());
        let answers: BoxStream<'s, _> = Box::pin(Appending::new(requests, send).answers());
        Box::pin(std::future::ready(Ok(answers)))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_for_vote(&Request::Vote(candidacy(&request)), &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_for_vote(&Request::PreVote(candidacy(&request)), &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(&vote, &snapshot.snapshot, option.soft_ttl()) => {
                sent.map(SnapshotResponse::new)
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        let message = Request::TransferLeader {
            from: VoteRecord::from(request.from_leader()),
            to: *request.to_node_id(),
            last: request.last_log_id().map(LogPosition::from),
        };
        let Response::Transferred(outcome) = self.call(&message, option.soft_ttl()).await? else {
            return Err(unexpected("not an answer to a transfer of leadership"));
        };
        Ok(match outcome {
            TransferOutcome::Accepted => Ok(()),
            TransferOutcome::VoteChanged { expected, actual } => {
                let (expected, actual) = (expected.into(), actual.into());
                Err(TransferLeaderError::VoteChanged { expected, actual })
            }
            TransferOutcome::Behind { expected, actual } => {
                let (expected, actual) = (expected.map(LogId::from), actual.map(LogId::from));
                Err(TransferLeaderError::LogNotFlushed { expected, actual })
            }
        })
    }
}
