#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What dsoctl shows of executors, of calls and of what these have written, and that it ends calls. RUNS names tests/runs, a driver with functions.
# shellcheck disable=SC1091,SC2016,SC2154,SC2317
. "${0%/*}/../tools/dsoctl/testing.sh"

start_storaged
# member NAME: of the only executor.
member() { field "$1" dsoctl ps --json; }
has() { [[ $(member "$1") == "$2" ]]; }
# A call that runs, by its number.
call() { dsoctl ps --json | python3 -c 'import json, sys; print(*[call["number"] for call in json.load(sys.stdin)["calls"]])'; }
runs() { [[ " $(call) " == *" $1 "* ]]; }
stopped() { ! runs "$1"; }

check "without executors there is nothing to show" 0 "" dsoctl ps
check "nor to kill" 1 "" dsoctl kill run/a/b/0
complains "dsoctl: there is no executor run/a/b: it was closed, or *"
check "a call has a number" 2 "" dsoctl kill run/a/b
RUNS_LINES=yes "$RUNS" driver waiting > /dev/null &
driver=$!
check "three of its calls are done" 0 "" eventually has "done" 3
check "two run" 0 "" eventually has running 2
check "and two more wait" 0 "" has queued 2
check "those are shown" 0 "" eventually runs 3
executor=$(member name)
check "an executor is shown with its driver" 0 "KIND*RUNNING*"$'\n'"process: *$executor, driver pid $driver on *" dsoctl ps
check "and calls with their workers" 0 "*  $executor/3  fill_when_latch_opens, attempt 1, for *s by pid * on *" dsoctl ps
check "others can be left out" 0 "" dsoctl ps --prefix run/other
check "a call that was not made is not killed" 1 "" dsoctl kill "$executor/7"
complains "dsoctl: executor $executor has made 7 calls, from 0 on*"
check "what a call has written is printed" 0 "filling" dsoctl logs "$executor/0"
check "and as JSON, with its stream" 0 '{"stream":1,"text":"filling","dropped":0}' dsoctl logs "$executor/2" --json
check "one that runs has written nothing yet" 0 "" dsoctl logs "$executor/3"
check "of an executor that is not there nothing is" 1 "" dsoctl logs run/a/b/0
complains "dsoctl: there is no executor run/a/b: it was closed, or *"
check "one that runs is" 0 "" dsoctl kill "$executor/4"
check "its worker ends with it" 0 "" eventually stopped 4
check "the driver learns of it" 0 "" eventually has cancelled 1
check "and the next one runs" 0 "" eventually runs 5
check "one that waits is not begun" 0 '{"executor":*"number":6}' dsoctl kill "$executor/6" --json
check "the other one runs on" 0 "" runs 3
kill -KILL "$driver"
check "of a driver that is killed nothing is shown" 0 "" eventually bash -c '[ -z "$("$0" ps)" ]' "$DSOCTL"
finish
