//! Time is paused: the stand-in for `forward` needs no sockets.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use plugin::Chain;
use plugin::proto::op::Message;
use testkit::{Kit, Table, ask, query};

use super::*;

/// Upstreams of which some lead back into the chain.
struct Ring {
    /// For each upstream, what it does.
    ways: Vec<Mutex<Way>>,
    in_service: Vec<AtomicBool>,
    n_asked: Vec<AtomicUsize>,
    chain: OnceLock<Chain>,
}

#[derive(Clone, Copy)]
enum Way {
    Answers,
    LeadsBack,
    /// Leads back, and the reply is lost on the way.
    LeadsBackLossy,
    IsSilent,
}

impl Ring {
    fn new(ways: &[Way]) -> Arc<Self> {
        Arc::new(Self {
            ways: ways.iter().map(|way| Mutex::new(*way)).collect(),
            in_service: ways.iter().map(|_| AtomicBool::new(true)).collect(),
            n_asked: ways.iter().map(|_| AtomicUsize::new(0)).collect(),
            chain: OnceLock::new(),
        })
    }

    fn in_service(&self) -> Vec<bool> {
        self.in_service.iter().map(|flag| flag.load(Ordering::SeqCst)).collect()
    }

    fn n_asked(&self, upstream_idx: usize) -> usize {
        self.n_asked[upstream_idx].load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Upstreams for Ring {
    fn upstreams(&self) -> Vec<String> {
        (1..=self.ways.len()).map(|n| format!("192.0.2.{n}:53")).collect()
    }

    async fn ask(&self, upstream_idx: usize, wire: &[u8], timeout: Duration) -> Option<Vec<u8>> {
        self.n_asked[upstream_idx].fetch_add(1, Ordering::SeqCst);
        let way = *self.ways[upstream_idx].lock().unwrap();
        if let Way::LeadsBack | Way::LeadsBackLossy = way {
            let message = Message::from_vec(wire).unwrap();
            let back = query("x. HINFO").client("192.0.2.99:4242").edit(|m| *m = message);
            let reply = ask(self.chain.get().unwrap(), &back).await.unwrap();
            assert!(reply.message().unwrap().answers.is_empty());
        }
        match way {
            Way::Answers | Way::LeadsBack => Some(wire.to_vec()),
            Way::LeadsBackLossy | Way::IsSilent => {
                tokio::time::sleep(timeout).await;
                None
            }
        }
    }

    fn set_in_service(&self, upstream_idx: usize, in_service: bool) {
        self.in_service[upstream_idx].store(in_service, Ordering::SeqCst);
    }
}

/// The plugin beside a ring, running; ends with the runtime.
fn running(kit: &Kit, ring: &Arc<Ring>) -> Arc<Table> {
    let looping = kit.plugin(&PLUGIN, "loop").unwrap();
    provide(kit, ring);
    let table = Arc::new(Table::default());
    let chain = Chain::new([("loop", Arc::clone(&looping)), ("table", table.link())]);
    ring.chain.set(chain).ok();
    let (trigger, shutdown) = Shutdown::pair();
    tokio::spawn(async move {
        looping.run(shutdown).await;
        drop(trigger);
    });
    table
}

/// Offers the ring to the block's plugins, as `forward` does in its set-up.
fn provide(kit: &Kit, ring: &Arc<Ring>) {
    thread_local! {
        static OFFERED: RefCell<Option<Arc<Ring>>> = const { RefCell::new(None) };
    }
    let spec = PluginSpec {
        name: "ring",
        setup: |setup| {
            setup.provide::<dyn Upstreams>(OFFERED.take().expect("set below"));
            Err(Diagnostic::general("there is nothing but the offer"))
        },
    };
    OFFERED.set(Some(Arc::clone(ring)));
    let _ = kit.plugin(&spec, "ring");
}

#[tokio::test(start_paused = true)]
async fn the_upstream_that_leads_back_is_retired_and_the_others_stay() {
    let kit = Kit::new();
    let ring = Ring::new(&[Way::Answers, Way::LeadsBack, Way::LeadsBackLossy, Way::IsSilent]);
    let table = running(&kit, &ring);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(ring.in_service(), [true, false, false, true]);
    assert_eq!(table.asked(), 0, "a probe that came back goes no further");
    assert_eq!(ring.n_asked(0), 1, "one that answered is not asked again");
    let text = kit.metrics.text();
    assert!(text.contains("rhumb_loop_detected{to=\"192.0.2.2:53\",zone=\".\"} 1\n"), "{text}");
    assert!(!text.contains("192.0.2.1:53"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn it_is_put_back_when_the_loop_is_gone() {
    let kit = Kit::new();
    let ring = Ring::new(&[Way::LeadsBack]);
    running(&kit, &ring);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ring.in_service(), [false]);
    *ring.ways[0].lock().unwrap() = Way::IsSilent;
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert_eq!(ring.in_service(), [false], "silence is no proof");
    *ring.ways[0].lock().unwrap() = Way::Answers;
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert_eq!(ring.in_service(), [true]);
    assert!(kit.metrics.text().contains("rhumb_loop_detected{to=\"192.0.2.1:53\",zone=\".\"} 0\n"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_asked_again_often_at_first_and_seldom_later() {
    let kit = Kit::new();
    let ring = Ring::new(&[Way::IsSilent, Way::IsSilent, Way::IsSilent]);
    running(&kit, &ring);
    // A probe waits for 2 seconds, and 1 second later there is another.
    tokio::time::sleep(Duration::from_millis(29_500)).await;
    assert_eq!([0, 1, 2].map(|n| ring.n_asked(n)), [10, 10, 10]);
    tokio::time::sleep(Duration::from_secs(320)).await;
    assert_eq!(ring.n_asked(0), 20);
    *ring.ways[0].lock().unwrap() = Way::LeadsBack;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(ring.in_service(), [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn other_questions_go_on() {
    let kit = Kit::new();
    let ring = Ring::new(&[Way::LeadsBack]);
    let table = running(&kit, &ring);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for question in ["1.2. HINFO", "1.2. A", "example.org. HINFO"] {
        ask(ring.chain.get().unwrap(), &query(question)).await.unwrap();
    }
    assert_eq!(table.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn exit_ends_the_process() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let kit = Kit::new();
    let ring = Ring::new(&[Way::LeadsBack]);
    provide(&kit, &ring);
    let looping = Loop {
        is_fatal: true,
        zone: "example.org.".into(),
        listen: ":53".into(),
        capabilities: kit.block.capabilities.clone(),
        probes: Arc::default(),
        detected: kit.metrics.gauge_vec("x", "x", &["zone", "to"]),
        end: OnceLock::from(
            (|| {
                ENDED.fetch_add(1, Ordering::SeqCst);
            }) as fn(),
        ),
    };
    let looping = Arc::new(looping);
    let chain = Chain::new([("loop", Arc::<Loop>::clone(&looping) as Arc<dyn Plugin>)]);
    ring.chain.set(chain).ok();
    assert!(tokio::time::timeout(Duration::from_secs(3), looping.watch()).await.is_err());
    assert_eq!(ENDED.load(Ordering::SeqCst), 1);
}

#[test]
fn nothing_but_exit_is_accepted() {
    Kit::new().plugin(&PLUGIN, "loop {\nexit\n}").unwrap();
    let cases = [
        ("loop argument", "`loop` wants no argument"),
        ("loop {\nexit 1\n}", "`exit` wants no argument"),
        ("loop {\nexti\n}", "did you mean `exit`?"),
        ("loop\nloop", "once per server block"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}\n{diagnostics}");
    }
}

#[test]
fn a_zone_too_long_for_a_probe_is_left_alone() {
    let label = "x".repeat(63);
    let zone = format!("{label}.{label}.{label}.{}.", "x".repeat(40));
    assert!(Probe::new(&zone, &Arc::default()).is_none());
    let probe = Probe::new("example.org.", &Arc::default()).unwrap();
    assert!(probe.qname().to_string().ends_with(".example.org."));
    assert_eq!(probe.qname().num_labels(), 4);
}

#[test]
fn a_listener_on_any_address_is_named_by_its_port() {
    for (address, expected) in
        [("0.0.0.0:53", ":53"), ("[::]:1053", ":1053"), ("127.0.0.1:53", "127.0.0.1:53")]
    {
        assert_eq!(listen(address.parse().unwrap()), expected);
    }
}
