#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command of dsoctl against a storaged of its own. DSOCTL and STORAGED name the programs. TAP.
# Functions are called by check, and the shells that dsoctl starts expand what is in single quotes.
# shellcheck disable=SC2016,SC2317
# Whoever starts this may have had signals ignored, as nohup does.
[ -n "${SIGNALS_ARE_DEFAULT-}" ] || SIGNALS_ARE_DEFAULT=yes exec env --default-signal "$0" "$@"
set -u

scratch=$(mktemp -d) || exit 1
tests=0 failed=0
unset DSO_URL DSO_TRANSPORT DSO_TIMEOUT_MS DSO_POLL DSO_IO DSO_DEVICE

stop_storaged() {
	if [[ ${storaged_pid-} ]]; then
		kill "$storaged_pid" 2>/dev/null
		wait "$storaged_pid"
		storaged_pid=
	fi
}
trap 'stop_storaged; rm -rf "$scratch"' EXIT

dsoctl() { "$DSOCTL" "$@"; }

# check NAME STATUS OUTPUT COMMAND...: COMMAND exits with STATUS and prints OUTPUT, a pattern.
check() {
	local name=$1 status=$2 pattern=$3 printed
	shift 3
	printed=$("$@" 2>"$scratch/stderr")
	local got=$?
	tests=$((tests + 1))
	# shellcheck disable=SC2053
	if [[ $got -eq $status && $printed == $pattern ]]; then
		echo "ok $tests - $name"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $name"
		echo "# exit status $got, not $status, or unexpected output:"
		printf '# %s\n' "${printed//$'\n'/$'\n# '}"
		sed 's/^/# stderr: /' "$scratch/stderr"
	fi
}

# complains PATTERN: what the last check wrote to stderr is one line like PATTERN.
complains() {
	tests=$((tests + 1))
	# shellcheck disable=SC2053
	if [[ $(<"$scratch/stderr") == $1 && $(wc -l <"$scratch/stderr") -eq 1 ]]; then
		echo "ok $tests - and says why: $1"
	else
		failed=$((failed + 1))
		echo "not ok $tests - and says why: $1"
		sed 's/^/# stderr: /' "$scratch/stderr"
	fi
}

# json COMMAND...: every line of its output is JSON; prints "valid".
json() {
	local line
	"$@" >"$scratch/json" || return
	while IFS= read -r line; do
		python3 -m json.tool <<<"$line" >/dev/null || return
	done <"$scratch/json"
	echo valid
}

# field NAME COMMAND...: that member of the JSON object that COMMAND prints.
field() {
	local name=$1
	shift
	"$@" | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$name"
}

# round_trip NAME BYTES: random bytes come back from a register as they went in.
round_trip() {
	head -c "$2" /dev/urandom >"$scratch/in"
	dsoctl register set "$1" <"$scratch/in" && dsoctl register get "$1" >"$scratch/out" &&
		cmp "$scratch/in" "$scratch/out"
}

# ---- without a storaged ----

check "version prints both versions" 0 "dsoctl * (libdso-rdma *)" dsoctl version
check "--version is the program's" 0 "dsoctl (dso-rdma) *" dsoctl --version
check "help lists the commands" 0 "*counter cas NAME EXPECTED VALUE*" dsoctl help
check "help explains a command" 0 "Usage: dsoctl ping*" dsoctl help ping
check "help explains a family of commands" 0 "*register get*register set*" dsoctl help register
check "a missing command is wrong usage" 2 "" dsoctl
check "an unknown command is wrong usage" 2 "" dsoctl frobnicate
complains "*no command frobnicate*"
check "half of a command is wrong usage" 2 "" dsoctl counter
complains "*dsoctl help counter*"
check "an unknown option is wrong usage" 2 "" dsoctl --frobnicate
check "an option of another command is wrong usage" 2 "" dsoctl stat -l
check "a missing argument is wrong usage" 2 "" dsoctl counter add
complains "*usage: dsoctl counter add NAME*"
check "too many arguments are wrong usage" 2 "" dsoctl counter get a b
check "a timeout of 0 is wrong usage" 2 "" dsoctl --timeout 0 ping
check "embedded: needs no storaged" 0 "1" dsoctl --url embedded: counter add hits
check "nobody listening fails" 1 "" dsoctl --url "dso+unix://$scratch/nothing" ping
complains "dsoctl: *$scratch/nothing*"
check "a malformed URL fails" 1 "" dsoctl --url http://x ping
complains "dsoctl: *http://x*"
check "an unknown transport fails" 1 "" dsoctl --url embedded: --transport pigeon ping
complains "dsoctl: *pigeon*"
check "doctor without a storaged fails" 1 "*(from --url)*verdict*broken:*" \
	dsoctl --url "dso+unix://$scratch/nothing" doctor
check "doctor without a storaged is JSON still" 1 "*\"healthy\":false}" \
	dsoctl --url "dso+unix://$scratch/nothing" --json doctor

# Somebody who accepts and never answers.
python3 -c '
import socket, sys, time
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
time.sleep(60)' >"$scratch/port" &
silent_pid=$!
for _ in {1..100}; do [[ ! -s $scratch/port ]] || break; sleep 0.05; done
check "silence times out" 124 "" dsoctl --url "dso://127.0.0.1:$(<"$scratch/port")" --timeout 200ms ping
complains "dsoctl: *"
{ kill "$silent_pid" && wait "$silent_pid"; } 2>/dev/null

# ---- with one ----

"$STORAGED" --listen 127.0.0.1:0 --unix-socket "$scratch/storaged.sock" --memory 64MiB --domain cpu \
	>"$scratch/ready" 2>"$scratch/log" &
storaged_pid=$!
for _ in {1..200}; do [[ ! -s $scratch/ready ]] || break; sleep 0.05; done
export DSO_URL="dso+unix://$scratch/storaged.sock"
# Of a loaded machine's storaged.
export DSO_TIMEOUT_MS=20000
tcp_url=$(grep -o 'dso://[^ ]*' "$scratch/ready")

check "ping measures" 0 "3 round trips *min*avg*max*" dsoctl ping -n 3
check "ping is JSON" 0 valid json dsoctl ping --json
check "an empty store lists nothing" 0 "" dsoctl ls

check "add makes a counter and prints its value" 0 1 dsoctl counter add hits
check "add takes a delta" 0 6 dsoctl counter add hits 5
check "add takes a negative delta" 0 -4 dsoctl counter add hits -10
check "get prints the value" 0 -4 dsoctl counter get hits
check "set prints nothing" 0 "" dsoctl counter set hits -9223372036854775808
check "get prints the smallest int64" 0 -9223372036854775808 dsoctl counter get hits
check "set takes the largest int64" 0 "" dsoctl counter set hits 9223372036854775807
check "addition wraps" 0 -9223372036854775808 dsoctl counter add hits 1
check "a number too large is wrong usage" 2 "" dsoctl counter set hits 9223372036854775808
check "set back to 7" 0 "" dsoctl counter set hits 7
check "cas swaps what was expected" 0 7 dsoctl counter cas hits 7 8
check "cas that does not swap exits with 1 and prints what there is" 1 8 dsoctl counter cas hits 7 9
check "and changes nothing" 0 8 dsoctl counter get hits
check "cas says in JSON whether it swapped" 1 '*"swapped":false,"before":8}' \
	dsoctl --json counter cas hits 7 9
check "options may stand behind the arguments" 0 8 field value dsoctl counter get hits --json
check "get does not make a counter" 1 "" dsoctl counter get missing
complains "dsoctl: *missing*"
check "open makes a counter as asked" 0 40 dsoctl counter open wide --initial 40 --stripes 8
check "adding to a striped counter prints the sum" 0 42 dsoctl counter add wide 2
check "open refuses other stripes than there are" 1 "" dsoctl counter open wide --stripes 4
complains "dsoctl: *wide*"
check "65 stripes are wrong usage" 2 "" dsoctl counter open other --stripes 65
check "a striped counter cannot be set" 1 "" dsoctl counter set wide 1
complains "dsoctl: *wide*"

for bytes in 0 1 65536 1048576; do
	check "a register keeps $bytes bytes" 0 "" round_trip "bytes-$bytes" "$bytes"
done
check "over tcp they are the same" 0 "" env DSO_URL="$tcp_url" DSO_TRANSPORT=tcp \
	bash -c '"$0" register get bytes-1048576 | cmp - "$1"' "$DSOCTL" "$scratch/in"
check "a register takes fewer bytes later" 0 "" round_trip bytes-1048576 77
check "but not more than its capacity" 1 "" round_trip bytes-1 65537
complains "*bytes-1 has room for 65536 bytes, stdin has 65537*dsoctl rm bytes-1*"
check "and the old value stays" 0 1 field length_bytes dsoctl --json register get bytes-1
check "65 MiB are more than a register holds" 1 "" bash -c 'head -c 68157440 /dev/zero | "$0" register set big' "$DSOCTL"
complains "dsoctl: *64 MiB*"
check "a register never set is empty" 0 "" dsoctl register get bytes-0
check "get does not make a register" 1 "" dsoctl register get missing
complains "dsoctl: *missing*"
check "a counter is no register" 1 "" dsoctl register get hits
complains "dsoctl: *hits*counter*"
printf 'h\xc3\xa9llo' | dsoctl register set text
check "a text is a JSON string" 0 "héllo" field value dsoctl --json register get text
printf '\xff\x00\xfe' | dsoctl register set binary
check "other bytes are base64 in JSON" 0 "/wD+" field value_base64 dsoctl --json register get binary
check "setting prints the version in JSON" 0 2 bash -c \
	'printf x | "$0" --json register set text | grep -o "version\":[0-9]*" | cut -d: -f2' "$DSOCTL"
check "a full disk is an error" 1 "" bash -c '"$0" register get bytes-65536 >/dev/full' "$DSOCTL"
complains "dsoctl: cannot write*"

check "ls is sorted" 0 $'binary\nbytes-0\nbytes-1\nbytes-1048576\nbytes-65536\nhits\ntext\nwide' dsoctl ls
check "ls -l has the types" 0 "TYPE*counter*hits*" dsoctl ls -l
check "ls --json is an object a line" 0 valid json dsoctl ls --json
dsoctl counter add $'\e[31mred' >/dev/null
check "a name cannot command the terminal" 0 '*\\x1b\[31mred*' dsoctl ls
check "names are JSON whatever they hold" 0 valid json dsoctl ls --json
check "stat describes an object" 0 "*type*counter*stripes*8*" dsoctl stat wide
check "stat --json has the capacity" 0 1048576 field capacity_bytes dsoctl --json stat bytes-1048576
check "stat describes storaged" 0 "version*sessions_begun*" dsoctl stat
check "stat of storaged is JSON" 0 valid json dsoctl stat --json
check "stat --transport tells of packets" 0 "*packets_sent*window_bytes*" dsoctl --url "$tcp_url" --transport roce stat --transport
check "stat --transport is JSON" 0 valid json dsoctl --url "$tcp_url" --transport roce stat --transport --json
check "stat --transport of shm has nothing to tell" 1 "" dsoctl --transport shm stat --transport
check "stat of nothing fails" 1 "" dsoctl stat missing
check "rm deletes several" 0 "" dsoctl rm bytes-0 bytes-1
check "rm goes on after a failure" 1 "" dsoctl rm missing bytes-65536
complains "dsoctl: *missing*"
check "and they are gone" 0 $'*x1b\[31mred\nbinary\nbytes-1048576\nhits\ntext\nwide' dsoctl ls
check "a name of 256 bytes is refused" 1 "" dsoctl counter add "$(printf 'n%.0s' {1..256})"
check "an empty name is refused" 1 "" dsoctl counter add ""
check "-- ends the options" 1 "" dsoctl stat -- -l

check "doctor over the unix socket" 0 "*url*$scratch*(from DSO_URL)*transport*shm*verdict*everything works" \
	dsoctl doctor
check "doctor over tcp" 0 "*(from --url)*transport*tcp*everything works" \
	dsoctl --url "$tcp_url" --transport tcp doctor
check "doctor over roce tells of its packets" 0 "*transport*roce*path*packets of up to *sent again*everything works" \
	dsoctl --url "$tcp_url" --transport roce doctor
check "doctor --json is healthy" 0 True field healthy dsoctl --json doctor
check "doctor leaves nothing behind" 0 $'*x1b\[31mred\nbinary\nbytes-1048576\nhits\ntext\nwide' dsoctl ls

# ---- coordination ----

# Of programs in the background the process is needed itself: "$DSOCTL" below, not dsoctl.

# eventually COMMAND...: until it succeeds, for up to 10 s.
eventually() {
	for _ in {1..200}; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	return 1
}
held() { dsoctl ls --held | grep -q " $1\$"; }
since() { dsoctl ls --held | grep -q " $2  $1\$"; }
gone() { ! kill -0 "$(<"$1")" 2>/dev/null; }
taken() { [[ $(dsoctl semaphore available "$1") -eq 0 ]]; }
waiting() { [[ $(field waiting dsoctl --json barrier stat "$1") -eq $2 ]]; }
opened() { [[ $(field opens dsoctl --json stat "$1") -eq $2 ]]; }

# hold NAME COMMAND...: run it under the mutex in the background, as $holder.
hold() {
	"$DSOCTL" lock "$1" -- "${@:2}" &
	holder=$!
	eventually held "$1"
}
# ended NAME STATUS PROCESS: wait for a child of this shell, which check would do in another one.
ended() {
	wait "$3" 2>/dev/null
	check "$1" "$2" "" return_status $?
}
return_status() { return "$1"; }
# killed PROCESS: without what the shell says of it.
killed() {
	kill -KILL "$1"
	wait "$1"
} 2>/dev/null

check "lock runs a command with a fencing token" 0 "[1-9]* no" dsoctl lock m -- \
	sh -c 'echo $DSO_LOCK_TOKEN ${DSO_LOCK_OWNER_DIED-no}'
next_token() { # KNOWN: whether the next token is larger, and says itself
	"$DSOCTL" lock m -- sh -c '[ "$DSO_LOCK_TOKEN" -gt "$1" ] && echo "$DSO_LOCK_TOKEN"' sh "$1"
}
token=$("$DSOCTL" lock m -- sh -c 'echo $DSO_LOCK_TOKEN')
check "the next token is larger" 0 "[1-9]*" next_token "$token"
"$DSOCTL" rm m
check "also when the mutex was deleted and made anew" 0 "[1-9]*" next_token "$token"
check "lock has the command's status" 7 "" dsoctl lock m -- sh -c 'exit 7'
check "or 128 and the signal that ended it" 143 "" dsoctl lock m -- sh -c 'kill -TERM $$'
check "or 127 where there is none" 127 "" dsoctl lock m -- nosuchcommand
complains "dsoctl: cannot run nosuchcommand: *"
check "or 126 where it cannot be run" 126 "" dsoctl lock m -- /etc/passwd
check "the command has its own options" 0 "--json -l 7 --" dsoctl lock m -- echo --json -l 7 --
check "and stdin" 0 through bash -c 'echo through | "$0" lock m -- cat' "$DSOCTL"
check "a lock without a command is wrong usage" 2 "" dsoctl lock m
complains "*usage: dsoctl lock NAME*COMMAND*"
check "a timeout that is no time is wrong usage" 2 "" dsoctl lock m --timeout 2x -- true
check "nobody holds anything" 0 "" dsoctl ls --held

hold forced sleep 60
check "another's mutex is not unlocked by the way" 2 "" dsoctl unlock forced
complains "*others need --force*"
check "but with force" 0 "" dsoctl unlock --force forced
check "once" 1 "" dsoctl unlock --force forced
complains "*nobody has mutex forced*"
kill -TERM $holder
ended "who had it hears of it at the end" 1 $holder

hold m sleep 60
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
complains "dsoctl: mutex m lock *not in time*"
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

for signal in INT HUP TERM; do
	# A shell has its background processes ignore SIGINT.
	env --default-signal=INT "$DSOCTL" lock m -- \
		bash -c "trap 'exit 9' $signal; touch '$scratch/trap$signal'; while :; do sleep 0.05; done" &
	holder=$!
	eventually test -e "$scratch/trap$signal"
	kill -$signal $holder
	ended "the command may handle SIG$signal" 9 $holder
done

hold m bash -c 'echo $$ >"$0"; exec sleep 60' "$scratch/command"
killed $holder
check "who is killed loses the lock, and the next one is told" 0 1 \
	dsoctl lock m --timeout 10s -- sh -c 'echo $DSO_LOCK_OWNER_DIED'
complains "dsoctl: *held mutex m before*half done"
check "and the command of the killed one is gone" 0 "" eventually gone "$scratch/command"
check "the one after it is not told" 0 no dsoctl lock m -- sh -c 'echo ${DSO_LOCK_OWNER_DIED-no}'

DSO_URL=$tcp_url DSO_TRANSPORT=tcp hold n sleep 60
check "a lock that is held over tcp is locked" 124 "" dsoctl lock n --timeout 0 -- true
check "and ls --held has its address" 0 "mutex *holder *127.0.0.1:[1-9]* 1 *s  n" bash -c '"$0" ls --held | tail -n 1' "$DSOCTL"
killed $holder
check "and comes back when its holder is killed" 0 1 dsoctl lock n --timeout 10s -- sh -c 'echo $DSO_LOCK_OWNER_DIED'

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
complains "dsoctl: *missing*"
check "more than all permits is wrong usage" 2 "" dsoctl semaphore run two --permits 2 --count 3 -- true
check "other permits than there are fail" 1 "" dsoctl semaphore run two --permits 3 -- true
complains "dsoctl: *two*"
"$DSOCTL" semaphore run two --count 2 -- sleep 60 &
holder=$!
eventually taken two
check "ls --held counts the permits of each" 0 "*semaphore *holder *[1-9]* pid $holder *[1-9]* 2 *[1-9]s  two" \
	dsoctl ls --held
check "permits not got in time exit with 124" 124 "" dsoctl semaphore run two --timeout 200ms -- true
killed $holder
check "permits of who is killed come back" 0 "" dsoctl semaphore run two --count 2 --timeout 10s -- true

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
check "a barrier of one waits for nobody" 0 '{"name":"alone","last":true}' dsoctl barrier wait alone -n 1 --json

check "latch open makes a latch" 0 3 dsoctl latch open door 3
check "count-down takes one off" 0 2 dsoctl latch count-down door
check "a latch that is shut is waited for" 124 "" dsoctl latch wait door --timeout 100ms
"$DSOCTL" latch wait door &
first=$!
check "count-down takes more off" 0 '{"name":"door","count":0}' dsoctl latch count-down door 2 --json
ended "and who waits goes on" 0 $first
check "it stops at 0" 0 0 dsoctl latch count-down door 9
check "latch get prints the count" 0 0 dsoctl latch get door
check "an open latch is not waited for" 0 "" dsoctl latch wait door --timeout 0
check "a latch that is not there is not waited for" 1 "" dsoctl latch wait missing
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
complains "*answer*another was first"
head -c 1000000 /dev/urandom >"$scratch/in"
check "a future takes a megabyte" 0 "" dsoctl future set large <"$scratch/in"
check "and gives it back" 0 "" bash -c '"$0" future get large | cmp - "$1"' "$DSOCTL" "$scratch/in"
check "a future may be set to an error" 0 "" dsoctl future error sad "the disk is full"
check "who gets it fails" 1 "" dsoctl future get sad
complains "*sad*the disk is full"

check "once runs a command that fails" 3 "" dsoctl once made -- sh -c 'exit 3'
check "and again" 0 made dsoctl once made -- echo made
check "until it succeeded" 0 "" dsoctl once made -- echo again
"$DSOCTL" once making -- bash -c 'echo $$ >"$0"; exec sleep 60' "$scratch/making" &
holder=$!
eventually test -s "$scratch/making"
check "ls --held tells who is at it" 0 "*once *holder *[1-9]* pid $holder *[1-9]* 1 *[1-9]s  making" dsoctl ls --held
check "while one is at it others wait" 124 "" dsoctl once making --timeout 200ms -- echo no
killed $holder
check "and one does it when the first was killed" 0 second dsoctl once making --timeout 10s -- echo second
check "whose command is gone" 0 "" eventually gone "$scratch/making"

# A storaged that falls silent. The command does not end by itself, and neither does what it runs.
"$DSOCTL" --silence 1s lock lost -- bash -c '
	trap "" TERM; sleep 61 & echo $! >"$0/orphan"; echo $$ >"$0/command"; wait; sleep 62' "$scratch" 2>"$scratch/why" &
holder=$!
eventually held lost
eventually test -s "$scratch/command"
kill -STOP $storaged_pid
ended "a lock that is lost ends the command" 1 $holder
kill -CONT $storaged_pid
check "and says why" 0 "dsoctl: the session is lost, and the command must end with it: *" cat "$scratch/why"
check "the command is gone" 0 "" gone "$scratch/command"
check "and what it ran" 0 "" gone "$scratch/orphan"
check "another gets the lock" 0 yes dsoctl lock lost --timeout 20s -- echo yes

check "stat describes coordination objects" 0 "*semaphore*permits *2" dsoctl stat two

# ---- completion ----

# complete WORDS...: what bash would offer for the last of them.
complete_words() {
	PATH=$(dirname "$DSOCTL"):$PATH bash -c '
		eval "$(dsoctl completion bash)"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_dsoctl
		echo "${COMPREPLY[*]}"' bash "$@"
}
check "completion offers commands" 0 "counter completion" complete_words dsoctl co
check "and second words" 0 "open get set add cas" complete_words dsoctl counter ""
check "and names of objects" 0 "hits" complete_words dsoctl counter get h
check "and options" 0 "--timeout" complete_words dsoctl --ti
check "and looks past the options given" 0 "get" complete_words dsoctl --timeout 2s register g
check "and a command behind --" 0 "*dsoctl*" complete_words dsoctl lock m -- dsoct
check "and words of coordination" 0 "wait reset stat" complete_words dsoctl barrier ""
dsoctl counter add "\$(touch $scratch/owned)" >/dev/null

complete_words dsoctl rm "" >/dev/null
check "and does not run what stands in a name" 1 "" bash -c 'test -e "$0"' "$scratch/owned"

stop_storaged
check "after the end of storaged it fails" 1 "" dsoctl ping
complains "dsoctl: *"

echo "1..$tests"
exit $((failed != 0))
