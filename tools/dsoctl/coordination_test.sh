#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands that scripts coordinate by: locks, semaphores, barriers, latches, futures, onces.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154,SC2317
. "${0%/*}/testing.sh"

start_storaged

check "lock runs a command with a fencing token" 0 "[1-9]* no" dsoctl lock m -- \
	sh -c 'echo $DSO_LOCK_TOKEN ${DSO_LOCK_OWNER_DIED-no}'
next_token() { # KNOWN: whether the next token is larger, and says itself
	"$DSOCTL" lock m -- sh -c '[ "$DSO_LOCK_TOKEN" -gt "$1" ] && echo "$DSO_LOCK_TOKEN"' sh "$1"
}
token=$("$DSOCTL" lock m -- sh -c 'echo $DSO_LOCK_TOKEN')
check "the next token is larger" 0 "[1-9]*" next_token "$token"
"$DSOCTL" rm m
check "also when the mutex was deleted and made anew" 0 "[1-9]*" next_token "$token"
check "who died before an outer lock is not said of this one" 0 no env DSO_LOCK_OWNER_DIED=1 "$DSOCTL" lock m -- \
	sh -c 'echo ${DSO_LOCK_OWNER_DIED-no}'
check "lock has the command's status" 7 "" dsoctl lock m -- sh -c 'exit 7'
check "or 128 and the signal that ended it" 143 "" dsoctl lock m -- sh -c 'kill -TERM $$'
check "or 127 where there is none" 127 "" dsoctl lock m -- nosuchcommand
complains "dsoctl: cannot run nosuchcommand: *"
check "or 126 where it cannot be run" 126 "" dsoctl lock m -- /etc/passwd
check "the command has its own options" 0 "--json -l 7 --" dsoctl lock m -- echo --json -l 7 --
check "also without -- in front of it" 0 "--json -5 --transport --timeout 5 -- x" \
	dsoctl lock m echo --json -5 --transport --timeout 5 -- x
check "its --version is not dsoctl's" 0 "*bash*" dsoctl lock m --timeout 2m bash --version
check "neither of a semaphore" 0 "x -n 9 --permits" dsoctl semaphore run free --permits 1 echo x -n 9 --permits
check "nor of a once" 0 "x --help" dsoctl once freely echo x --help
check "and stdin" 0 through bash -c 'echo through | "$0" lock m -- cat' "$DSOCTL"
check "a lock without a command is wrong usage" 2 "" dsoctl lock m
complains "*usage: dsoctl lock NAME*COMMAND*"
check "a timeout that is no time is wrong usage" 2 "" dsoctl lock m --timeout 2x -- true
check "nobody holds anything" 0 "" dsoctl ls --held

hold forced sleep 600
check "another's mutex is not unlocked by the way" 2 "" dsoctl unlock forced
complains "*others need --force*"
check "but with force" 0 "" dsoctl unlock --force forced
check "once" 1 "" dsoctl unlock --force forced
complains "*nobody has mutex forced*"
check "what nobody has any more can be deleted" 0 "" dsoctl rm forced
check "a mutex that is not there is not made to be unlocked" 1 "" dsoctl unlock --force forced
complains "*there is no object of that name*"
check "so there is none after that" 1 "" dsoctl stat forced
kill -TERM $holder
ended "who had it hears of it at the end" 1 $holder

hold m sleep 600
check "ls --held tells who holds what" 0 \
	"TYPE*ROLE*OWNER*WHO*TOKEN*COUNT*SINCE*NAME"$'\n'"mutex *holder *[1-9]* pid $holder *[1-9]* 1 *[1-9]s  m" \
	dsoctl ls --held
check "and since when" 0 "" eventually since m '[1-9]s'
check "which grows" 0 "" eventually since m '[2-9]s'
check "ls --held --json is an object a line" 0 valid json dsoctl ls --held --json
check "with the fencing token" 0 m field name dsoctl ls --held --json
check "and the shortest time that it may be" 0 True bash -c \
	'"$0" ls --held --json | python3 -c "import json, sys; hold = json.load(sys.stdin)
print(2e9 <= hold[\"held_min_ns\"] <= hold[\"held_max_ns\"] < 6e10)"' "$DSOCTL"
check "a lock not got at once exits with 124" 124 "" dsoctl lock m --timeout 0 -- echo no
check "a lock not got in time exits with 124" 124 "" dsoctl lock m --timeout 200ms -- echo no
complains "dsoctl: mutex m lock *not in time; held by pid $holder for *s; --timeout waits longer"
check "what is held is not deleted" 1 '{"deleted":\["other"]}' bash -c \
	'"$0" counter add other >/dev/null; "$0" rm m other --json' "$DSOCTL"
complains "dsoctl: mutex m is not deleted: held by pid $holder for *s; --force deletes it"
check "neither by its prefix" 1 "" dsoctl rm --prefix m
"$DSOCTL" lock m -- echo no &
waiter=$!
eventually opened m 2
kill -TERM $waiter
ended "a signal ends the wait for a lock" 143 $waiter
env --ignore-signal=HUP "$DSOCTL" lock m -- touch "$scratch/waited" &
waiter=$!
eventually opened m 2
kill -HUP $waiter
kill -TERM $holder
ended "a signal is passed on to the command" 143 $holder
ended "a signal that is ignored ends no wait" 0 $waiter
check "which ends with the lock" 0 "" test -e "$scratch/waited"
check "and the lock is unlocked" 0 no dsoctl lock m --timeout 2m -- sh -c 'echo ${DSO_LOCK_OWNER_DIED-no}'

DSO_URL=$tcp_url DSO_TRANSPORT=tcp hold n sleep 600
check "a lock that is held over tcp is locked" 124 "" dsoctl lock n --timeout 0 -- true
check "and ls --held has its address" 0 "mutex *holder *127.0.0.1:[1-9]* 1 *s  n" bash -c '"$0" ls --held | tail -n 1' "$DSOCTL"
kill -TERM $holder
wait $holder

# at_a_time COMMAND...: how many of six that run it at a time were in it together, at most.
at_a_time() {
	rm -f "$scratch"/inside.*
	: >"$scratch/seen"
	for _ in {1..6}; do
		"$@" bash -c 'touch "$0/inside.$$"; ls "$0" | grep -c inside >>"$0/seen"; sleep 0.1; rm "$0/inside.$$"' \
			"$scratch" &
	done
	wait
	[[ $(wc -l <"$scratch/seen") -eq 6 ]] && sort -n "$scratch/seen" | tail -n 1
}
check "one at a time has a mutex" 0 1 at_a_time "$DSOCTL" lock m --
check "two at a time have a semaphore of two" 0 2 at_a_time "$DSOCTL" semaphore run two --permits 2 --
check "one at a time has both permits of it" 0 1 at_a_time "$DSOCTL" semaphore run two --count 2 --

check "semaphore available prints what is free" 0 2 dsoctl semaphore available two
check "while one is taken, one" 0 '{"name":"two","available":1}' \
	dsoctl semaphore run two -- "$DSOCTL" semaphore available two --json
check "semaphore run has the command's status" 7 "" dsoctl semaphore run two -- sh -c 'exit 7'
check "a semaphore is not made without --permits" 1 "" dsoctl semaphore run missing -- true
complains "dsoctl: there is no semaphore missing; *--permits N*"
check "more permits than there are is said so" 1 "" dsoctl semaphore run two --count 3 -- true
complains "dsoctl: semaphore two has 2 permits: --count 3 is more than all of them"
check "more than all permits is wrong usage" 2 "" dsoctl semaphore run two --permits 2 --count 3 -- true
check "other permits than there are fail" 1 "" dsoctl semaphore run two --permits 3 -- true
complains "dsoctl: *two*"
"$DSOCTL" semaphore run two --count 2 -- sleep 600 &
holder=$!
eventually taken two
check "ls --held counts the permits of each" 0 "*semaphore *holder *[1-9]* pid $holder *[1-9]* 2 *[1-9]s  two" \
	dsoctl ls --held
check "permits not got in time exit with 124" 124 "" dsoctl semaphore run two --timeout 200ms -- true
complains "dsoctl: semaphore two *not in time; 2 of it held by pid $holder for *s; *"
kill -TERM $holder
ended "permits come back with the command's end" 143 $holder
check "so that others have them" 0 "" dsoctl semaphore run two --count 2 --timeout 2m -- true

"$DSOCTL" barrier wait gate -n 3 >"$scratch/first" &
first=$!
"$DSOCTL" barrier wait gate -n 3 >"$scratch/second" &
second=$!
check "two come to the barrier" 0 "" eventually waiting gate 2
check "barrier stat tells" 0 "*parties *3*waiting *2*broken *no" dsoctl barrier stat gate
check "the last to come is told" 0 last dsoctl barrier wait gate
ended "the first goes on" 0 $first
ended "and the second" 0 $second
check "they are told nothing" 0 "" cat "$scratch/first" "$scratch/second"
check "a wait at a barrier may time out" 124 "" dsoctl barrier wait gate --timeout 100ms
check "which breaks it" 1 "" dsoctl barrier wait gate
complains "*gate*broken*dsoctl barrier reset*"
check "as stat has it in JSON" 0 True field broken dsoctl barrier stat gate --json
check "reset makes it as new" 0 "" dsoctl barrier reset gate
check "so that it can be waited at" 0 0 field waiting dsoctl barrier stat gate --json
"$DSOCTL" barrier wait gate 2>"$scratch/broken" &
first=$!
"$DSOCTL" barrier wait gate &
second=$!
eventually waiting gate 2
killed $second
ended "a party that is killed breaks it for the others" 1 $first
check "a barrier is not made without -n" 1 "" dsoctl barrier wait missing
complains "dsoctl: there is no barrier missing; *-n PARTIES*"
check "a barrier of one waits for nobody" 0 '{"name":"alone","last":true}' dsoctl barrier wait alone -n 1 --json

check "latch open makes a latch" 0 3 dsoctl latch open door 3
check "count-down takes one off" 0 2 dsoctl latch count-down door
check "a latch that is shut is waited for" 124 "" dsoctl latch wait door --timeout 100ms
"$DSOCTL" latch wait door &
first=$!
check "count-down takes more off" 0 '{"name":"door","count":0,"count_text":"0"}' dsoctl latch count-down door 2 --json
ended "and who waits goes on" 0 $first
check "it stops at 0" 0 0 dsoctl latch count-down door 9
check "latch get prints the count" 0 0 dsoctl latch get door
check "an open latch is not waited for" 0 "" dsoctl latch wait door --timeout 0
check "a latch that is not there is not waited for" 1 "" dsoctl latch wait missing
complains "dsoctl: there is no latch missing; *latch open*"
check "0 is no count" 2 "" dsoctl latch open other 0

check "a future that is not set is waited for" 124 "" dsoctl future get answer --timeout 100ms
"$DSOCTL" future get answer >"$scratch/got" &
first=$!
check "set takes stdin" 0 "" bash -c 'echo 42 | "$0" future set answer' "$DSOCTL"
ended "who waits goes on" 0 $first
check "with the value" 0 42 cat "$scratch/got"
check "get writes it to stdout" 0 42 dsoctl future get answer --timeout 0
check "and in JSON" 0 '{"name":"answer","length_bytes":3,"value":"42\\n"}' dsoctl future get answer --json
check "a future is set once" 1 "" bash -c 'echo 43 | "$0" future set answer' "$DSOCTL"
complains "*answer*it was set or promised before, or its promise was broken"
head -c 1000000 /dev/urandom >"$scratch/in"
check "a future takes a megabyte" 0 "" dsoctl future set large <"$scratch/in"
check "and gives it back" 0 "" bash -c '"$0" future get large | cmp - "$1"' "$DSOCTL" "$scratch/in"
check "a future may be set to an error" 0 "" dsoctl future error sad "the disk is full"
check "who gets it fails" 1 "" dsoctl future get sad
complains "*sad*the disk is full"

check "once runs a command that fails" 3 "" dsoctl once made -- sh -c 'exit 3'
check "and again" 0 made dsoctl once made -- echo made
check "until it succeeded" 0 "" dsoctl once made -- echo again
"$DSOCTL" once making -- bash -c 'echo $$ >"$0"; exec sleep 600' "$scratch/making" &
holder=$!
eventually test -s "$scratch/making"
check "ls --held tells who is at it" 0 "*once *holder *[1-9]* pid $holder *[1-9]* 1 *[1-9]s  making" dsoctl ls --held
check "while one is at it others wait" 124 "" dsoctl once making --timeout 200ms -- echo no
kill -TERM $holder
ended "it has its command's status" 143 $holder
check "and one does it when the first could not" 0 second dsoctl once making --timeout 2m -- echo second

# ---- however short the wait ----

# storaged answers, so that it is the others who have it, or have not come.
hold short sleep 600
holders=$holder
"$DSOCTL" semaphore run short_permits --permits 1 -- sleep 600 &
holders="$holders $!"
"$DSOCTL" once short_once -- sleep 600 &
holders="$holders $!"
dsoctl latch open short_latch 1 >/dev/null
for name in short_permits short_once; do eventually held $name; done
for timeout in 0 1ns 1us 1ms; do
	for command in "lock short true" "semaphore run short_permits true" "once short_once true" \
		"barrier wait short_$timeout -n 2" "latch wait short_latch" "future get short_future"; do
		check "$command --timeout $timeout is in vain" 124 "" dsoctl --timeout $timeout $command
	done
	check "what nobody has is there with --timeout $timeout" 0 "" dsoctl --timeout $timeout lock free_$timeout true
done
kill $holders
wait $holders 2>/dev/null
dsoctl --timeout 2m lock short true

# ---- JSON of what has nothing to tell ----

check "lock has JSON behind its command's output" 3 $'out\n\n{"name":"json",*"owner_died":false,*"status":3}' \
	dsoctl lock json --json -- sh -c 'echo out; exit 3'
check "on a line of its own, whatever the output ends with" 0 $'abc\n{"name":"json",*}' \
	dsoctl lock json --json -- printf abc
check "its token is the command's" 0 same bash -c 'printed=$("$0" lock json2 --json -- printenv DSO_LOCK_TOKEN)
	[[ $printed == "${printed%%$'"'\n'"'*}"*"\"token\":${printed%%$'"'\n'"'*},"* ]] && echo same' "$DSOCTL"
check "semaphore run has" 0 $'\n''{"name":"two","count":2,"status":0}' dsoctl semaphore run two --count 2 --json -- true
check "once has, when the command succeeds" 0 $'\n''{"name":"json3","ran":true,"done":true,"status":0}' dsoctl once json3 --json -- true
check "when it need not run" 0 '{"name":"json3","ran":false,"done":true,"status":0}' dsoctl once json3 --json -- false
check "when it fails" 1 $'\n''{"name":"json4","ran":true,"done":false,"status":1}' dsoctl once json4 --json -- false
check "latch wait has" 0 '{"name":"door","count":0}' dsoctl latch wait door --json
check "barrier reset has" 0 '{"name":"gate"}' dsoctl barrier reset gate --json
check "future set has" 0 '{"name":"json5","length_bytes":2}' bash -c 'echo 1 | "$0" future set json5 --json' "$DSOCTL"
check "future error has" 0 '{"name":"json6","error":"no room"}' dsoctl future error json6 "no room" --json
hold json7 sleep 600
check "unlock has" 0 '{"name":"json7","token":*,"token_text":"*"}' dsoctl unlock --force json7 --json
kill -TERM $holder
ended "which its holder hears of" 1 $holder

finish
