# Reads what `cargo test` prints; shows a line for each binary, what tests tell past the runner, and all about
# failures, and writes `passed failed ignored` into the file `counts`.

/^ +Running |^ +Doc-tests / {
    unfinished()
    binary = $0
    sub(/^ +(Running|Doc-tests) /, "", binary)
    # `unittests src/lib.rs (target/debug/deps/rhumb_cache-0123456789abcdef)`
    if (match(binary, /[^\/(]+-[0-9a-f]+\)$/)) binary = substr(binary, RSTART, RLENGTH - 18)
    is_running = 1
    next
}
/^test result: / {
    is_failing = is_running = 0
    ran = $4 + $6
    passed += $4
    failed += $6
    ignored += $8
    if (ran + $8 > 0) {
        printf "%-24s %4d passed%s%s\n", binary, $4, ($6 > 0 ? ", " $6 " FAILED" : ""), ($8 > 0 ? ", " $8 " ignored" : "")
        fflush()
    }
    next
}
/^test .* \.\.\. ignored/ {
    sub(/^test /, "")
    sub(/ \.\.\. ignored,? ?/, ": ")
    print "  not run: " $0
    next
}
/^test .* \.\.\. FAILED/ { print binary ": " $0; next }
/^failures:$/ { is_failing = 1 }
is_failing { print; next }
/^$|^running [0-9]+ tests?$|^test .* \.\.\. ok$|^LEFT OUT: / { next }
/^error/ || binary != "" { print; fflush() }

END {
    unfinished()
    print passed + 0, failed + 0, ignored + 0 > counts
    if (failed > 0) exit 1
}

# A binary that ended without a result crashed: that is a failure with a name.
function unfinished() {
    if (is_running) {
        print binary ": ended without a result"
        failed++
    }
}
