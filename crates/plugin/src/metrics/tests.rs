use super::*;

#[test]
fn counters_of_all_threads_are_summed_and_outlive_their_thread() {
    let counter = Registry::new().counter("test_total", "Counts.");
    counter.inc();
    for _ in 0..4 {
        let counter = counter.clone();
        std::thread::spawn(move || counter.inc_by(10)).join().unwrap();
    }
    assert_eq!(counter.get(), 41);
}

#[test]
fn a_family_asked_for_twice_goes_on_counting() {
    let registry = Registry::new();
    registry.counter_vec("again_total", "Counts.", &["a"]).with(&["x"]).inc();
    registry.counter_vec("again_total", "Counts.", &["a"]).with(&["x"]).inc();
    assert_eq!(registry.counter_vec("again_total", "Counts.", &["a"]).with(&["x"]).get(), 2);
}

#[test]
fn a_reading_whose_owner_is_gone_gives_way_to_the_one_before() {
    let registry = Registry::new();
    let family = registry.gauge_vec("entries", "Entries.", &[]);
    let running = Arc::new(3.0);
    let of_running = Arc::downgrade(&running);
    family.read_with(&[], move || of_running.upgrade().map(|n| *n));
    for _ in 0..5 {
        let refused = Arc::new(4.0);
        let of_refused = Arc::downgrade(&refused);
        family.read_with(&[], move || of_refused.upgrade().map(|n| *n));
        assert!(registry.text().contains("\nentries 4\n"));
        drop(refused);
        assert!(registry.text().contains("\nentries 3\n"));
    }
    drop(running);
    assert!(!registry.text().contains("\nentries "));
}

#[test]
fn the_text_format_is_as_prometheus_reads_it() {
    let registry = Registry::new();
    registry.counter_vec("b_total", "Bees.", &["zone", "type"]).with(&["a.\"", "A"]).inc_by(3);
    registry.gauge("a", "Size.").set(1.5);
    registry.gauge_vec("r", "Read.", &["x"]).read_with(&["1"], || Some(4.0));
    registry.gauge_vec("r", "Read.", &["x"]).read_with(&["2"], || None);
    let histogram = registry.histogram_vec("h", "Times.", &[], &[0.5, 1.0]).with(&[]);
    histogram.observe(0.5);
    histogram.observe(0.75);
    histogram.observe(9.0);
    let text = registry.text();
    let expected = [
        "# HELP a Size.",
        "# TYPE a gauge",
        "a 1.5",
        "# HELP b_total Bees.",
        "# TYPE b_total counter",
        "b_total{type=\"A\",zone=\"a.\\\"\"} 3",
        "h_bucket{le=\"0.5\"} 1",
        "h_bucket{le=\"1\"} 2",
        "h_bucket{le=\"+Inf\"} 3",
        "h_sum 10.25",
        "h_count 3",
        "r{x=\"1\"} 4",
    ];
    for line in expected {
        assert!(text.lines().any(|l| l == line), "`{line}` is missing in\n{text}");
    }
    assert!(!text.contains("x=\"2\""), "{text}");
    let start = text.lines().find_map(|l| l.strip_prefix("process_start_time_seconds ")).unwrap();
    let age = crate::clock::unix_now().as_secs_f64() - start.parse::<f64>().unwrap();
    assert!((-2.0..3600.0).contains(&age), "this process has run for {age} s");
    for process in ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds"]
    {
        let name = format!("process_{process} ");
        let line = text.lines().find(|line| line.starts_with(&name)).expect(process);
        assert!(line[name.len()..].parse::<f64>().unwrap() >= 0.0, "{line}");
    }
}

#[test]
fn latency_buckets_run_from_a_quarter_of_a_millisecond_to_eight_seconds() {
    assert_eq!(LATENCY_BOUNDS.first(), Some(&0.000_25));
    assert_eq!(LATENCY_BOUNDS.last(), Some(&8.192));
}
