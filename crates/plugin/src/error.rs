//! Errors while serving, and how they become response codes.

use std::borrow::Cow;
use std::error::Error;

use hickory_proto::op::ResponseCode;

/// Why a plugin could not answer. The server turns it into an empty reply with [`ServeError::rcode`];
/// the `errors` plugin logs it; the client learns the reason from the EDE where it sent EDNS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The request fell off the end of the chain.
    #[error("no next plugin found")]
    ChainEnded,
    /// An RCODE on purpose, by configuration: nothing worth a log line.
    #[error("answered with {rcode}")]
    Rcode {
        /// What the client gets.
        rcode: ResponseCode,
        /// What it is told beside.
        ede: Option<Ede>,
    },
    /// Something went wrong; logged by `errors` with its sources.
    #[error("{source}")]
    Failed {
        /// What the client gets.
        rcode: ResponseCode,
        /// What it is told beside.
        ede: Option<Ede>,
        /// What happened.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ServeError {
    /// SERVFAIL because of `source`.
    pub fn failed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { rcode: ResponseCode::ServFail, ede: None, source: source.into() }
    }

    /// The RCODE alone; not logged.
    pub fn rcode_only(rcode: ResponseCode) -> Self {
        Self::Rcode { rcode, ede: None }
    }

    /// The same error with another RCODE; no effect on [`ServeError::ChainEnded`].
    #[must_use]
    pub fn with_rcode(mut self, wanted: ResponseCode) -> Self {
        match &mut self {
            Self::Rcode { rcode, .. } | Self::Failed { rcode, .. } => *rcode = wanted,
            Self::ChainEnded => {}
        }
        self
    }

    /// The same error with an extended DNS error; no effect on [`ServeError::ChainEnded`].
    #[must_use]
    pub fn with_ede(mut self, wanted: Ede) -> Self {
        match &mut self {
            Self::Rcode { ede, .. } | Self::Failed { ede, .. } => *ede = Some(wanted),
            Self::ChainEnded => {}
        }
        self
    }

    /// The one place where an error becomes an RCODE.
    pub fn rcode(&self) -> ResponseCode {
        match self {
            Self::ChainEnded => ResponseCode::ServFail,
            Self::Rcode { rcode, .. } | Self::Failed { rcode, .. } => *rcode,
        }
    }

    /// The extended DNS error that goes with it.
    pub fn ede(&self) -> Option<&Ede> {
        match self {
            Self::ChainEnded => None,
            Self::Rcode { ede, .. } | Self::Failed { ede, .. } => ede.as_ref(),
        }
    }

    /// Whether `errors` should log it.
    pub fn is_logged(&self) -> bool {
        !matches!(self, Self::Rcode { .. })
    }
}

/// An extended DNS error (RFC 8914): a code and a text for people. Sent to EDNS clients only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ede {
    /// The INFO-CODE; see the constants.
    pub code: u16,
    /// The EXTRA-TEXT; may be empty.
    pub text: Cow<'static, str>,
}

impl Ede {
    /// Anything else.
    pub const OTHER: u16 = 0;
    /// The data is older than its TTL.
    pub const STALE_ANSWER: u16 = 3;
    /// An error seen before, answered from the cache.
    pub const CACHED_ERROR: u16 = 13;
    /// The server is not able to answer yet.
    pub const NOT_READY: u16 = 14;
    /// Forbidden by the operator.
    pub const BLOCKED: u16 = 15;
    /// Forbidden on the client's own wish.
    pub const FILTERED: u16 = 17;
    /// Forbidden for this client.
    pub const PROHIBITED: u16 = 18;
    /// A stale NXDOMAIN.
    pub const STALE_NXDOMAIN: u16 = 19;
    /// No authority could be reached.
    pub const NO_REACHABLE_AUTHORITY: u16 = 22;
    /// The network failed on the way to an upstream.
    pub const NETWORK_ERROR: u16 = 23;

    /// An extended error.
    pub fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }
}
