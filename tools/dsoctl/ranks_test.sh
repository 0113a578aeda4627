#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dsoctl run: ranks, their output, and every way in which they and dsoctl end.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154,SC2317
. "${0%/*}/testing.sh"

start_storaged
run() { "$DSOCTL" run "$@"; }
# sorted COMMAND...: its lines in order, for ranks write in none; with its status.
sorted() { "$@" | sort; return "${PIPESTATUS[0]}"; }
noted() { test -s "$scratch/$1"; }
# noted_by NAME COUNT: so many ranks have written their process to NAME.RANK.
noted_by() { [[ $(cat "$scratch/$1".* 2>/dev/null | wc -l) -eq $2 ]]; }
# all_dead FILE...: the processes that are noted there.
all_dead() {
	local pid
	# shellcheck disable=SC2013 # words
	for pid in $(cat "$@"); do dead "$pid" || return; done
}
exists() { dsoctl ls | grep -qx "$1"; }

# ---- what a rank sees ----

check "ranks are numbered from 0, and know how many they are" 0 $'[[]0] 0 of 3\n[[]1] 1 of 3\n[[]2] 2 of 3' \
	sorted run -n 3 -- sh -c 'echo $DSO_RANK of $DSO_COUNT'
check "without -n there are as many as there are processors" 0 "$(nproc)" run --no-marks -- \
	sh -c '[ $DSO_RANK != 0 ] || echo $DSO_COUNT'
check "they find storaged" 0 "[[]0] $unix_url" run -n 1 -- sh -c 'echo $DSO_URL'
check "by the transport that is asked for" 0 "[[]0] tcp" run -n 1 --url "$tcp_url" --transport tcp -- sh -c 'echo $DSO_TRANSPORT'
check "which works" 0 "[[]0] 1" run -n 1 --url "$tcp_url" --transport tcp -- "$DSOCTL" counter add by_tcp
check "a run has a name of its own" 0 "[[]0] ????????????????" run -n 1 -- sh -c 'echo $DSO_RUN'
check "or the one that is given" 0 "[[]0] mine" run -n 1 --run mine -- sh -c 'echo $DSO_RUN'
check "ranks meet each other" 0 "*last*" run -n 3 -- sh -c '"$0" barrier wait run/$DSO_RUN/met -n 3' "$DSOCTL"
check "the command may stand without a --" 0 "[[]0] 2 --json -n" run -n 1 echo 2 --json -n
check "rank 0 has the stdin, the others have none" 0 $'[[]0] in\n[[]1] and no more\n[[]2] and no more' \
	sorted run -n 3 -- sh -c 'cat; [ $DSO_RANK = 0 ] || echo and no more' <<<in

# ---- output ----

check "stderr stays stderr" 0 "" run -n 2 -- sh -c 'echo here >&2'
check "with marks, too" 0 $'[[]0] here\n[[]1] here' bash -c '"$0" run -n 2 -- sh -c "echo here >&2" 2>&1 >/dev/null | sort' "$DSOCTL"
check "marks can be left out" 0 $'a\na' run -n 2 --no-marks -- echo a
check "a last line without a newline gets one" 0 $'[[]0] a\n[[]1] a' sorted run -n 2 -- printf a
# Of each rank, as many lines as it wrote, in its order; none is torn.
check "lines come whole, and in the order of their rank" 0 "0 1 2 3" bash -c '"$0" run -n 4 -- seq 20000 | python3 -c "
import sys
lines = [line.split() for line in sys.stdin]
print(*[rank for rank in range(4) if [n for r, n in lines if r == \"[%d]\" % rank] == [str(n) for n in range(1, 20001)]])"' "$DSOCTL"
check "a very long line comes in pieces" 0 $'65540\n65540\n8932' \
	bash -c '"$0" run -n 1 -- python3 -c "print(\"x\" * 140000)" | awk "{print length}"' "$DSOCTL"
check "output goes to files where that is asked for" 0 "" run -n 2 --output-per-rank "$scratch/files" -- \
	sh -c 'echo out $DSO_RANK; echo err $DSO_RANK >&2'
check "of each rank one, as it wrote it" 0 $'out 0\nerr 1' cat "$scratch/files/0.out" "$scratch/files/1.err"
check "a place for them is needed" 1 "" run -n 1 --output-per-rank "$scratch/no/such" -- true
complains "dsoctl: cannot make the directory $scratch/no/such *No such file*"
check "what a rank leaves behind does not keep its run" 0 "[[]0] left" run -n 1 -- sh -c 'sleep 600 & echo left'
check "not even a daemon that has its output" 0 "[[]0] left" run -n 1 -- sh -c 'setsid sleep 5 & echo left'

# ---- how ranks end ----

check "the status is that of the rank that failed" 3 "" run -n 3 -- sh -c '[ $DSO_RANK != 1 ] || exit 3'
complains "dsoctl: rank 1 ended with status 3; the others were ended"
check "or the signal's" 137 "" run -n 1 -- sh -c 'kill -9 $$'
complains "dsoctl: rank 0 was ended by signal 9 (Killed)"
# Rank 0 fails when the others have set their traps.
check "the others are asked to end" 7 "*asked*" run -n 2 -- bash -c '
	if [ $DSO_RANK = 0 ]; then "$0" barrier wait run/$DSO_RUN/b -n 2; exit 7; fi
	trap "echo asked; exit" TERM; "$0" barrier wait run/$DSO_RUN/b -n 2; while :; do sleep 0.05; done' "$DSOCTL"
check "and killed when they do not, also a frozen one" 7 "" run -n 3 --no-marks -- bash -c '
	if [ $DSO_RANK = 0 ]; then "$0" barrier wait run/$DSO_RUN/b -n 3 >/dev/null; exit 7; fi
	trap "" TERM; "$0" barrier wait run/$DSO_RUN/b -n 3 >/dev/null
	[ $DSO_RANK = 1 ] || kill -STOP $$
	while :; do sleep 0.05; done' "$DSOCTL"
check "with --keep-going they go on" 3 $'[[]1] through\n[[]2] through' sorted run -n 3 --keep-going -- \
	bash -c '"$0" barrier wait run/$DSO_RUN/b -n 3 >/dev/null; [ $DSO_RANK != 0 ] || exit 3; echo through' "$DSOCTL"
complains "dsoctl: rank 0 ended with status 3; the others went on"
check "the first of the failures counts" 2 "" run -n 2 --keep-going -- bash -c '
	if [ $DSO_RANK = 1 ]; then exit 2; fi
	until [ -e "$0" ]; do sleep 0.05; [ "$(ps -o stat= --ppid $PPID | grep -vc Z)" -gt 2 ] || exit 4; done' "$scratch/nothing"
check "a program that is not there is not run" 127 "" run -n 2 -- "$scratch/nothing"
complains "dsoctl: cannot run $scratch/nothing as rank 0: No such file or directory"
check "nor is one that is none" 126 "" run -n 2 -- "$scratch"
check "who is not through in time is ended" 124 "" run -n 2 --timeout 1s -- sleep 600
complains "dsoctl: the ranks were not through in time, and were ended; --timeout gives them longer"

# ---- again ----

check "a rank that fails is started again" 0 $'[[]0] 1\n[[]0] 2\n[[]0] 3\n[[]1] 1\n[[]1] 2\n[[]1] 3' \
	sorted run -n 2 --restart -- sh -c 'echo $DSO_ATTEMPT; [ $DSO_ATTEMPT = 3 ] || kill -9 $$'
check "as often as that is asked for" 5 $'[[]0] 1\n[[]0] 2' run -n 1 --restart=1 -- sh -c 'echo $DSO_ATTEMPT; exit 5'
complains "dsoctl: rank 0 ended with status 5 in attempt 2, the last one"
check "its files go on" 0 "" run -n 1 --restart --output-per-rank "$scratch/again" -- sh -c 'echo $DSO_ATTEMPT; [ $DSO_ATTEMPT = 2 ]'
check "where they were" 0 $'1\n2' cat "$scratch/again/0.out"
check "and stdin where it was read to" 0 $'[[]0] one\n[[]0] two' run -n 1 --restart -- \
	sh -c 'read -r line; echo $line; [ $DSO_ATTEMPT = 2 ]' <<<$'one\ntwo'

# ---- the command line ----

check "more than 1024 ranks are wrong usage" 2 "" run -n 1025 -- true
check "so is a run with a / in its name" 2 "" run --run a/b -- true
check "so is nothing to run" 2 "" run -n 2
check "so is an option of it for another command" 2 "" dsoctl stat --keep-going
check "so is a number of restarts that is none" 2 "" run --restart=many -- true
check "ranks share no embedded store" 1 "" run --url embedded: -- true
complains "dsoctl: processes share no embedded store; *"
check "JSON tells what became of the ranks" 4 \
	'{"run":"j","ranks":[[]{"rank":0,"attempts":2,"status":4}],"failed":0,"removed":0,"status":4}' \
	run -n 1 --run j --json --restart=1 -- sh -c 'exit 4'

# ---- what a run leaves ----

check "objects of the run are deleted with it" 0 '*"removed":2,*' run -n 2 --json --run gone -- \
	sh -c '"$0" counter add run/$DSO_RUN/$DSO_RANK' "$DSOCTL"
check "all of them" 1 "" exists run/gone/0
check "and no others" 0 "" exists by_tcp
check "also when it fails" 1 "[[]0] 1" run -n 1 --run gone -- sh -c '"$0" counter add run/gone/0; exit 1' "$DSOCTL"
check "as said" 1 "" exists run/gone/0
check "unless they are to be kept" 0 "[[]0] 1" run -n 1 --run kept --keep -- "$DSOCTL" counter add run/kept/0
check "as asked" 0 "" exists run/kept/0

# ---- how dsoctl ends ----

# Ranks that note themselves, and a child each.
anew() { rm -f "$scratch"/rank.* "$scratch"/child.*; }
stay='sleep 600 & echo $! >"$0/child.$DSO_RANK"; echo $$ >"$0/rank.$DSO_RANK"; wait'
for signal in INT TERM HUP QUIT; do
	anew
	env --default-signal=INT,QUIT "$DSOCTL" run -n 2 --run ended -- sh -c "\"\$1\" counter add run/ended/c >/dev/null; $stay" "$scratch" "$DSOCTL" &
	runner=$!
	eventually noted_by rank 2
	kill -$signal $runner
	ended "SIG$signal ends the run" $((128 + $(kill -l $signal))) $runner
	check "SIG$signal: and all ranks" 0 "" all_dead "$scratch"/rank.*
	check "SIG$signal: and what they have started" 0 "" eventually all_dead "$scratch"/child.*
	check "SIG$signal: and its objects" 1 "" exists run/ended/c
done
anew
"$DSOCTL" run -n 2 -- bash -c "trap '' TERM; $stay; while :; do wait; done" "$scratch" &
runner=$!
eventually noted_by rank 2
kill -TERM $runner
kill -STOP "$(<"$scratch/rank.0")"
kill -INT $runner
kill -TERM $runner
wait $runner
check "a second signal leaves ranks no time" 0 "" all_dead "$scratch"/rank.*
anew
"$DSOCTL" run -n 2 --no-marks -- bash -c "trap 'echo >\"\$0/usr1.\$DSO_RANK\"; exit 0' USR1; $stay" "$scratch" &
runner=$!
eventually noted_by rank 2
kill -USR1 $runner
ended "another signal is for the ranks" 0 $runner
check "for each of them" 0 "" noted_by usr1 2
for how in KILL "KILL -"; do
	anew
	setsid "$DSOCTL" run -n 3 -- sh -c "$stay" "$scratch" &
	runner=$!
	eventually noted_by rank 3
	# shellcheck disable=SC2046
	kill $([ "$how" = KILL ] && echo -KILL $runner || echo -KILL -- -$runner)
	wait $runner 2>/dev/null
	check "of a dsoctl that is killed no rank stays (SIG$how)" 0 "" eventually all_dead "$scratch"/rank.* "$scratch"/child.*
done

# ---- who reads ----

check "a run whose output nobody reads any more ends" 0 141 \
	bash -c '"$0" run -n 2 -- yes | head -1 >/dev/null; echo ${PIPESTATUS[0]}' "$DSOCTL"
check "but not where SIGPIPE is ignored" 0 "0" \
	bash -c 'trap "" PIPE; "$0" run -n 2 -- seq 100000 | true; echo ${PIPESTATUS[0]}' "$DSOCTL"
anew
mkfifo "$scratch/unread"
exec 7<>"$scratch/unread"
timeout 5 dd if=/dev/zero of="$scratch/unread" bs=4096 oflag=nonblock 2>/dev/null
"$DSOCTL" run -n 2 -- sh -c "echo lost; $stay" "$scratch" >"$scratch/unread" 7<&- &
runner=$!
eventually noted_by rank 2
kill -TERM $runner
ended "a reader that does not read keeps no run from its end" 143 $runner
check "nor its ranks" 0 "" all_dead "$scratch"/rank.*
exec 7<&-

# ---- storaged ends ----

anew
"$DSOCTL" run -n 2 --run orphaned -- sh -c 'echo $$ >"$0/rank.$DSO_RANK"; until [ -e "$0/go" ]; do sleep 0.05; done' "$scratch" 2>"$scratch/why" &
runner=$!
eventually noted_by rank 2
killed "$storaged_pid"
storaged_pid=
echo >"$scratch/go"
ended "a run outlives storaged, if its ranks do" 1 $runner
check "and says what may be left" 0 "dsoctl: the objects run/orphaned/ of the run may be left: *dsoctl rm --prefix run/orphaned/ deletes them" \
	cat "$scratch/why"
finish
