mod hits;
mod keeping;
mod prefetch;
mod reload;
mod replay;
mod settings;
mod stale;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugin::proto::op::{Message, ResponseCode};
use plugin::{Chain, Next, Plugin, Reply, Request, ServeError, async_trait};
use testkit::{Kit, Query, records};

use super::PLUGIN;

type Answer = dyn Fn(&Request) -> Result<Reply, ServeError> + Send + Sync;

/// What stands below the cache: answers what it was told to, and remembers what it was asked.
struct Below {
    answer: Mutex<Arc<Answer>>,
    delay: Mutex<Duration>,
    asked: Mutex<Vec<Request>>,
}

#[async_trait]
impl Plugin for Below {
    async fn serve(&self, request: &Request, _next: Next<'_>) -> Result<Reply, ServeError> {
        self.asked.lock().unwrap().push(request.clone());
        let delay = *self.delay.lock().unwrap();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let answer = Arc::clone(&self.answer.lock().unwrap());
        answer(request)
    }

    fn is_pure(&self) -> bool {
        true
    }
}

impl Below {
    /// Answers every question with one address and a TTL.
    fn address(ttl_secs: u32) -> Arc<Self> {
        let below = Arc::new(Self {
            answer: Mutex::new(Arc::new(|_| Err(ServeError::ChainEnded))),
            delay: Mutex::default(),
            asked: Mutex::default(),
        });
        below.answers(move |request| {
            let mut reply = request.reply();
            reply.answers = records(&format!("{} {ttl_secs} IN A 192.0.2.1", request.qname()));
            reply
        });
        below
    }

    fn answers(&self, answer: impl Fn(&Request) -> Message + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(move |request| Ok(answer(request).into()));
    }

    fn replies(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(move |request| Ok(answer(request)));
    }

    fn fails(&self) {
        *self.answer.lock().unwrap() = Arc::new(|_| Err(ServeError::failed("out of order")));
    }

    fn denies(&self, rcode: ResponseCode, ttl_secs: u32) {
        self.answers(move |request| {
            let mut reply = request.reply_with(rcode);
            reply.authorities = records(&format!("example.org. {ttl_secs} IN SOA {SOA_RDATA}"));
            reply
        });
    }

    fn delays(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    fn n_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn last_asked(&self) -> Request {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

const SOA_RDATA: &str = "ns.example.org. root.example.org. 1 7200 1800 86400 60";

fn chain(kit: &Kit, text: &str, below: &Arc<Below>) -> Chain {
    Chain::new([
        ("cache", kit.plugin(&PLUGIN, text).unwrap()),
        ("below", Arc::clone(below) as Arc<dyn Plugin>),
    ])
}

async fn ask(chain: &Chain, query: &Query) -> Reply {
    testkit::ask(chain, query).await.unwrap()
}

/// The TTL of every record, which must be one.
fn ttl_secs(reply: &Reply) -> u32 {
    let ttls: Vec<u32> = reply.message().unwrap().all_sections().map(|record| record.ttl).collect();
    assert!(ttls.iter().all(|ttl| *ttl == ttls[0]), "{ttls:?}");
    ttls[0]
}

/// The sum of a family's series that have all of these labels.
fn count(kit: &Kit, family: &str, labels: &[&str]) -> u64 {
    let text = kit.metrics.text();
    let series = text.lines().filter(|line| {
        line.strip_prefix(family).is_some_and(|rest| rest.starts_with('{'))
            && labels.iter().all(|label| line.contains(label))
    });
    series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

async fn advance(secs: f64) {
    tokio::time::advance(Duration::from_secs_f64(secs)).await;
}

/// Lets background work run; the paused clock moves by a millisecond.
async fn background() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
