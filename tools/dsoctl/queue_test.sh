#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Queues: items in and out, and commands that work on leased ones.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154,SC2317
. "${0%/*}/testing.sh"

start_storaged
push() { "$DSOCTL" queue push "$@"; }
pop() { "$DSOCTL" queue pop "$@"; }
# push_input TEXT ARGUMENT...: with that as stdin, in which printf expands \n and \0.
# shellcheck disable=SC2059
push_input() { printf "$1" | push "${@:2}"; }
leased() { [[ $(field leased dsoctl --json queue stat "$1") -eq $2 ]]; }

# Of a queue that its producer has yet to make.
pop_eventually() {
	eventually dsoctl queue stat "$1"
	pop "$1" --wait
}

# ---- items ----

check "a queue is not made by a pop" 1 "" pop jobs --wait
complains "dsoctl: there is no queue jobs; dsoctl queue open NAME makes one"
check "but by a push" 0 "" push jobs a "b c" "" -5
check "length prints how many items there are" 0 4 dsoctl queue length jobs
check "stat tells of the queue" 0 '{"name":"jobs","capacity":1024,"item_bytes":224,"length":4,"leased":0}' \
	dsoctl queue stat jobs --json
check "ls tells its type" 0 "TYPE*"$'\n'"queue *  jobs" dsoctl ls -l
check "as stat does, with its room" 0 "name *jobs"$'\n'"type *queue"$'\n'"*capacity *1024"$'\n'"item_bytes *224" dsoctl stat jobs
check "pop takes one" 0 a pop jobs
check "and the rest in their order, with a newline each" 0 $'b c\n\n-5' pop jobs --all --lines
check "an empty queue is not waited at" 124 "" pop jobs
complains "dsoctl: queue jobs is empty; --wait waits for an item"
check "nor with --all" 124 "" pop jobs --all
check "but with --timeout" 124 "" pop jobs --timeout 100ms
complains "dsoctl: queue jobs pop *not in time; --timeout waits longer"
check "which limits --wait" 124 "" pop jobs --wait --timeout 0
pop jobs --wait >"$scratch/popped" &
consumer=$!
eventually opened jobs 1
push jobs "at last"
ended "who waits gets what comes" 0 $consumer
check "as it is" 0 "at last" cat "$scratch/popped"
check "what begins with - is an item behind --" 0 "" push jobs -- --lines
check "as any other" 0 --lines pop jobs

check "each line of stdin is an item" 0 '{"name":"jobs","pushed":3}' push_input 'one\n\nthree' jobs --lines --json
check "three of them" 0 '<one><><three>' bash -c '"$0" queue pop jobs --all -0 | sed -z "s/.*/<&>/" | tr -d "\0"' "$DSOCTL"
check "items may end with bytes of 0" 0 "" push_input 'a\nb\0c\0' jobs -0
check "and have newlines" 0 $'a\nbc' pop jobs --all
check "--count takes that many" 0 "" push jobs 1 2 3
check "of those that there are" 0 12 pop jobs -n 2
check "without waiting for more" 0 3 pop jobs --count 2 --wait
check "pop makes no queue, so it has no capacity" 2 "" pop many --capacity 1
seq 100000 >"$scratch/in"
for transport in shm tcp; do
	export DSO_TRANSPORT=$transport DSO_URL=$tcp_url
	[ $transport != shm ] || DSO_URL=$unix_url
	dsoctl queue open many-$transport --capacity 4096
	push many-$transport --lines <"$scratch/in" &
	producer=$!
	: >"$scratch/out"
	while [[ $(wc -l <"$scratch/out") -lt 100000 ]]; do pop many-$transport --wait --all --lines >>"$scratch/out"; done
	ended "$transport: more lines than there is room for wait for room" 0 $producer
	# In their order, unless the producer was stopped for long in the middle of a push.
	check "$transport: and all of them come" 0 "" bash -c 'sort -n "$1" | cmp - "$0"' "$scratch/in" "$scratch/out"
done
unset DSO_TRANSPORT
export DSO_URL=$unix_url
mkfifo "$scratch/lines"
push slow --lines <"$scratch/lines" &
producer=$!
exec 3>"$scratch/lines"
echo first >&3
check "a line is pushed while the next one is not there" 0 first pop_eventually slow
exec 3>&-
ended "until stdin ends" 0 $producer
check "no lines are no items" 0 "" push none --lines </dev/null
check "but make the queue" 0 0 dsoctl queue length none
check "stdin without lines is one item" 0 '{"name":"one","pushed":1}' push_input 'a\n\0b\n' one --json
check "which JSON tells" 0 '{"name":"one","length_bytes":5,"value":"a\\n\\u0000b\\n","deliveries":1}' pop one --json
check "even an empty one" 0 "" push_input "" one
check "with the length 0" 0 '{"name":"one","length_bytes":0,"value":"","deliveries":1}' pop one --json
check "bytes that are no text" 0 "" push_input '\377\0' one
check "are base64 in JSON" 0 '{"name":"one","length_bytes":2,"value_base64":"/wA=","deliveries":1}' pop one --json

for bytes in 1 224 225 65535 65536; do
	head -c $bytes /dev/urandom >"$scratch/in"
	check "a new queue has room for an item of $bytes bytes" 0 "" push bytes-$bytes --capacity 8 <"$scratch/in"
	check "and gives it back as it was" 0 "" bash -c '"$0" queue pop "$1" | cmp - "$2"' "$DSOCTL" bytes-$bytes "$scratch/in"
done
check "65537 bytes are too many" 1 "" bash -c 'head -c 65537 /dev/zero | "$0" queue push huge' "$DSOCTL"
complains "dsoctl: item 1 is longer than 65536 bytes, the most of any queue; nothing was pushed"
check "and no queue is made for them" 1 "" dsoctl queue length huge
check "a queue is made as asked" 0 '{"name":"small","capacity":2,"item_bytes":4}' \
	dsoctl queue open small --capacity 2 --item-bytes 4 --json
check "and no other way afterwards" 1 "" push small --capacity 3 x
complains "dsoctl: *small*capacity: 3 asked, the queue has 2; dsoctl stat NAME shows what is there"
check "an item at its limit fits" 0 "" push small 1234
check "one above does not, and those beside it are not pushed" 1 "" push small a 12345
complains "dsoctl: item 2 is longer than 4 bytes, the most of queue small; nothing was pushed; *dsoctl rm small*--item-bytes"
check "of lines, those before it are" 1 "" push_input 'a\n12345\nb\n' small --lines
complains "dsoctl: item 2 is longer than 4 bytes, the most of queue small; 1 before was pushed; *"
check "a full queue is waited at" 124 "" push small x --timeout 100ms
complains "dsoctl: queue small push *not in time: it is full, with room for 2 items; nothing was pushed; --timeout waits longer"
check "or not" 124 "" push small x --timeout 0
push small y &
producer=$!
eventually opened small 1
check "room" 0 1234 pop small
ended "is for who waits" 0 $producer
check "in turn" 0 ay pop small --all

check "a counter is no queue" 1 "" bash -c '"$0" counter add count >/dev/null; "$0" queue push count x' "$DSOCTL"
complains "dsoctl: *count*a queue was asked for, it is a counter; *"
for wrong in "push jobs --lines x" "push jobs --lines -0" "push jobs --capacity 0 x" "push jobs --item-bytes 65537 x" \
	"pop jobs true" "pop jobs --lease" "pop jobs --lease -n 2 -- true" "pop jobs --lease --lines -- true" \
	"pop jobs --all -n 2" "pop jobs --lines -0" "length jobs --wait"; do
	check "queue $wrong is wrong usage" 2 "" dsoctl queue $wrong
done
check "what cannot be written is a failure" 1 "" bash -c '"$0" queue push jobs x; "$0" queue pop jobs >/dev/full' "$DSOCTL"
complains "dsoctl: cannot write to stdout: No space left on device"

# ---- leases ----

# lease NAME COMMAND...: in the background, as $worker, until COMMAND has begun.
lease() {
	rm -f "$scratch/begun"
	"$DSOCTL" queue pop "$1" --silence 1s --lease --wait -- bash -c 'echo $$ >"$0/begun"; exec "$@"' "$scratch" "${@:2}" &
	worker=$!
	eventually test -s "$scratch/begun"
}
deliveries='echo "$(cat) $DSO_QUEUE_DELIVERIES"'

check "an item is there" 0 "" push work job
check "and is given back when the command fails" 3 "job 1" pop work --lease -- sh -c "$deliveries; exit 3"
check "or is ended by a signal" 143 "" pop work --lease -- sh -c 'kill -TERM $$'
check "or is not there" 127 "" pop work --lease -- nosuchcommand
complains "dsoctl: cannot run nosuchcommand: *"
check "length does not count what came back" 0 0 dsoctl queue length work
check "a command that succeeds takes it off" 0 "job 4" pop work --lease -- sh -c "$deliveries"
check "so that there is none" 124 "" pop work --lease -- echo no
complains "dsoctl: queue work is empty; --wait waits for an item"
check "JSON comes behind the command's output" 5 $'\n{"name":"work","length_bytes":1,"deliveries":1,"acknowledged":false,"status":5}' \
	bash -c '"$0" queue push work x; "$0" queue pop work --json --lease -- sh -c "exit 5"' "$DSOCTL"
check "the command has its own options" 0 $'--lines -0 --json\n\n*"acknowledged":true,"status":0}' \
	pop work --json --lease echo --lines -0 --json
head -c 65536 /dev/urandom >"$scratch/in"
check "a long item" 0 "" push long --capacity 2 <"$scratch/in"
check "may stay unread" 9 "" pop long --lease -- sh -c 'exit 9'
check "and is read as it was" 0 "" pop long --lease -- cmp - "$scratch/in"
check "an empty item is an empty stdin" 0 "0" bash -c '"$0" queue push work ""; "$0" queue pop work --lease -- wc -c' "$DSOCTL"

for transport in shm tcp roce; do
	export DSO_TRANSPORT=$transport DSO_URL=$tcp_url
	[ $transport != shm ] || DSO_URL=$unix_url
	push work job
	lease work sleep 600
	check "$transport: ls --held tells who has leased it" 0 "*queue *holder *1 *s  work" dsoctl ls --held
	check "$transport: stat tells how many" 0 1 field leased dsoctl queue stat work --json
	check "$transport: what is leased is nobody else's" 124 "" pop work
	check "$transport: and said when it is waited for" 124 "" pop work --timeout 100ms
	complains "dsoctl: queue work pop *not in time; held by *; --timeout waits longer"
	check "$transport: its queue is not deleted" 1 "" dsoctl rm work
	complains "dsoctl: queue work is not deleted: held by *; --force deletes it"
	kill -TERM $worker
	ended "$transport: a signal is passed on to the command" 143 $worker
	lease work sleep 600
	killed $worker
	check "$transport: the command of a killed dsoctl ends" 0 "" eventually gone "$scratch/begun"
	check "$transport: and the item comes back" 0 "job 3" pop work --lease --timeout 5m -- sh -c "$deliveries"
	check "$transport: once" 124 "" pop work
	"$DSOCTL" queue pop work --lease --wait -- echo no &
	worker=$!
	eventually opened work 1
	kill -TERM $worker
	ended "$transport: a signal ends the wait" 143 $worker
	push work job
	lease work sleep 600
	dsoctl rm --force work
	kill -TERM "$(<"$scratch/begun")"
	ended "$transport: who has an item of a deleted queue hears of it" 1 $worker
done
export DSO_TRANSPORT=shm DSO_URL=$unix_url

# ---- the end ----

dsoctl queue open over
pop over --wait 2>"$scratch/over" &
consumer=$!
eventually opened over 1
check "a queue is shut down" 0 '{"name":"over"}' dsoctl queue shutdown over --json
ended "who waits for an item hears of it" 125 $consumer
check "in a sentence" 0 "dsoctl: queue over is shut down and empty: no item comes any more" cat "$scratch/over"
check "nothing is pushed then" 1 "" push over x
complains "dsoctl: queue over push *it is shut down"
dsoctl queue open last --capacity 2
push last 1 2
push last 3 2>"$scratch/last" &
producer=$!
eventually opened last 1
check "who waits for room" 0 "" dsoctl queue shutdown last
ended "hears of it, too" 1 $producer
check "what there is is taken" 3 1 pop last --lease -- sh -c 'cat; exit 3'
check "also what was given back" 0 "1 2" pop last --lease --wait -- sh -c "$deliveries"
check "to the last item" 0 2 pop last --all --wait
check "and behind that there is the end" 125 "" pop last --all --wait
check "for a command, too" 125 "" pop last --lease --wait -- echo no
dsoctl queue open removed
pop removed --wait 2>"$scratch/removed" &
consumer=$!
eventually opened removed 1
dsoctl rm removed
ended "who waits at a queue that is deleted fails" 1 $consumer
check "and says why" 0 "dsoctl: queue removed pop *deleted*" cat "$scratch/removed"

finish
