//! Why a query could not be forwarded, and what the client learns of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use plugin::proto::ProtoError;
use plugin::proto::op::ResponseCode;
use plugin::proto::serialize::binary::DecodeError;
use plugin::{Ede, ServeError};

/// Why a query could not be forwarded. The texts are those of CoreDNS, where it has the error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error("no healthy proxies")]
    NoHealthy,
    #[error("concurrent queries exceeded maximum {0}")]
    TooMany(u64),
    #[error("proxy: invalid request: {0}")]
    InvalidRequest(#[source] ProtoError),
    #[error("undecodable reply from {upstream}: {source}")]
    Undecodable { upstream: SocketAddr, source: DecodeError },
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
}

impl ForwardError {
    fn rcode(&self) -> ResponseCode {
        match self {
            Self::TooMany(_) => ResponseCode::Refused,
            Self::InvalidRequest(_) => ResponseCode::FormErr,
            Self::NoHealthy | Self::Undecodable { .. } | Self::Upstream(_) => {
                ResponseCode::ServFail
            }
        }
    }

    fn ede(&self) -> Option<Ede> {
        match self {
            Self::NoHealthy => Some(Ede::new(Ede::NO_REACHABLE_AUTHORITY, "no healthy upstream")),
            Self::Upstream(error) if error.is_timeout() => {
                Some(Ede::new(Ede::NO_REACHABLE_AUTHORITY, "no upstream answered in time"))
            }
            Self::Upstream(_) => Some(Ede::new(Ede::NETWORK_ERROR, "no upstream could be reached")),
            Self::Undecodable { .. } => Some(Ede::new(Ede::OTHER, "malformed reply from upstream")),
            Self::TooMany(_) => Some(Ede::new(Ede::OTHER, "too many queries at once")),
            Self::InvalidRequest(_) => None,
        }
    }
}

/// An error that several clients get: those whose questions were answered together.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Arc<ForwardError>);

impl From<ForwardError> for Failure {
    fn from(error: ForwardError) -> Self {
        Self(Arc::new(error))
    }
}

impl From<Failure> for ServeError {
    fn from(failure: Failure) -> Self {
        let (rcode, ede) = (failure.0.rcode(), failure.0.ede());
        let error = Self::failed(failure).with_rcode(rcode);
        match ede {
            Some(ede) => error.with_ede(ede),
            None => error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
