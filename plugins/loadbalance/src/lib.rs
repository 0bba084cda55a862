//! Puts the addresses of a reply in an order by chance, so that clients that take the first one spread.
//!
//! `round_robin` shuffles, whatever its name says; `weighted` puts one address in front, the heavier
//! ones more often; `prefer` moves addresses of given subnets to the front afterwards.
//!
//! # Replay
//!
//! A shuffled reply may be replayed, since any order is as good as the last: whoever replays it shuffles
//! the A and AAAA records of a section among each other, and the MX records too, or else every client
//! gets the order of the first. Weights and preferences are not for a replay to know, so with them
//! each query is answered anew.

mod config;
mod order;
mod weights;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use plugin::proto::op::{Message, Query, ResponseCode};
use plugin::proto::rr::RecordType;
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, Shutdown, async_trait,
};

use crate::config::{Config, Policy, WeightFile};
use crate::weights::{Weights, WeightsError};

/// The `loadbalance` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "loadbalance", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup);
    let weighted = match config.policy {
        Policy::Shuffle => None,
        Policy::Weighted(file) => Some(Weighted::open(file)?),
    };
    Ok(Box::new(LoadBalance { weighted, prefer: config.prefer }))
}

struct LoadBalance {
    /// `None` shuffles.
    weighted: Option<Weighted>,
    prefer: Vec<IpNet>,
}

/// Weights that follow their file.
struct Weighted {
    path: PathBuf,
    reload: Duration,
    /// The file as it was last read.
    octets: Mutex<Vec<u8>>,
    weights: ArcSwap<Weights>,
}

#[async_trait]
impl Plugin for LoadBalance {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let mut reply = next.serve(request).await?;
        if let Some(message) = reply.message_mut() {
            self.order(message);
        }
        if self.weighted.is_none() {
            reply.set_shuffled();
        }
        Ok(reply)
    }

    /// A shuffled reply may be shuffled again without us; see the crate's documentation.
    fn is_pure(&self) -> bool {
        self.weighted.is_none() && self.prefer.is_empty()
    }

    async fn run(&self, shutdown: Shutdown) {
        let Some(weighted) = self.weighted.as_ref().filter(|w| !w.reload.is_zero()) else { return };
        loop {
            tokio::select! {
                () = shutdown.fired() => return,
                () = tokio::time::sleep(weighted.reload) => weighted.refresh(),
            }
        }
    }
}

impl LoadBalance {
    fn order(&self, message: &mut Message) {
        let Some(qtype) = message.queries.first().map(Query::query_type) else {
            return;
        };
        // The first and the last record of a transfer are the SOA (RFC 5936 §2.2).
        if message.metadata.response_code != ResponseCode::NoError
            || matches!(qtype, RecordType::AXFR | RecordType::IXFR)
        {
            return;
        }
        match &self.weighted {
            None => {
                order::shuffle(&mut message.answers);
                order::shuffle(&mut message.authorities);
                order::shuffle(&mut message.additionals);
            }
            Some(weighted) => {
                if matches!(qtype, RecordType::A | RecordType::AAAA | RecordType::SRV) {
                    let weights = weighted.weights.load();
                    order::weigh(&mut message.answers, &weights);
                    order::weigh(&mut message.additionals, &weights);
                }
            }
        }
        if !self.prefer.is_empty() {
            order::prefer(&mut message.answers, &self.prefer);
            order::prefer(&mut message.additionals, &self.prefer);
        }
    }
}

impl Weighted {
    /// Reads the file. One that cannot be opened is tried again later, unless it is never reloaded.
    fn open(file: WeightFile) -> Result<Self, Diagnostic> {
        let (weights, octets) = match Weights::read(&file.path) {
            Ok(read) => read,
            Err(WeightsError::Unreadable(error)) if !file.reload.is_zero() => {
                tracing::warn!(
                    target: "plugin/loadbalance",
                    file = %file.path.display(),
                    %error,
                    retry_secs = file.reload.as_secs_f64(),
                    "cannot open weight file; all weights are 1 until it is there",
                );
                Default::default()
            }
            Err(error) => {
                return Err(Diagnostic::error(
                    file.named.span,
                    format!("weight file `{}`: {error}", file.named),
                )
                .label("this file"));
            }
        };
        Ok(Self {
            path: file.path,
            reload: file.reload,
            octets: Mutex::new(octets),
            weights: ArcSwap::from_pointee(weights),
        })
    }

    /// Reads the file again and takes its weights where it has changed and has no mistake.
    fn refresh(&self) {
        let file = self.path.display();
        match Weights::read(&self.path) {
            Ok((weights, octets)) => {
                let mut known = self.octets.lock().unwrap_or_else(PoisonError::into_inner);
                if *known != octets {
                    *known = octets;
                    self.weights.store(Arc::new(weights));
                    tracing::info!(target: "plugin/loadbalance", %file, "reloaded weight file");
                }
            }
            Err(error) => {
                tracing::error!(target: "plugin/loadbalance", %file, %error, "kept the old weights");
            }
        }
    }
}

#[cfg(test)]
mod tests;
