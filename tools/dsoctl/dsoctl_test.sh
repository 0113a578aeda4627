#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line, and the commands for objects that nobody waits for.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154,SC2317
. "${0%/*}/testing.sh"

# ---- without a storaged ----

check "version prints both versions" 0 "dsoctl * (libdso-rdma *)" dsoctl version
check "--version is the program's" 0 "dsoctl (dso-rdma) *" dsoctl --version
check "help lists the commands" 0 "*counter cas NAME EXPECTED VALUE*" dsoctl help
check "help explains a command" 0 "Usage: dsoctl ping*" dsoctl help ping
check "so does --help behind the command" 0 "Usage: dsoctl counter cas * NAME EXPECTED VALUE*" dsoctl counter cas --help
check "or in front of it, whatever stands behind" 0 "Usage: dsoctl lock *has ended*124*" dsoctl --help lock m
check "with the options that it has" 0 "*--initial=N*--stripes=N*" dsoctl counter open --help
check "and no others" 1 "" bash -c '"$0" counter open --help | grep -e --permits' "$DSOCTL"
check "nor a heading without any" 1 "" bash -c '"$0" stat --help | grep "of single commands"' "$DSOCTL"
check "and no line is broken behind its indent" 1 "" bash -c '"$0" lock --help | sed "1,/^Exit status/d" | grep -v "^  "' "$DSOCTL"
check "nor one of the list of commands" 1 "" bash -c '"$0" --help | sed "1,/^Commands:/d;/^ Options of every/,\$d" | grep "^[^ ]"' "$DSOCTL"
check "nor one behind a status" 1 "" bash -c '"$0" --help | sed "1,/^Exit status/d;/^lock, semaphore run/,\$d" | grep -v "^  "' "$DSOCTL"
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
complains "dsoctl: --timeout of ping is the wait for storaged: above 0*"
check "so is a number of none" 2 "" dsoctl ping -n 0
grep -q "^dsoctl: -n (--count) 0 is no number from 1 to" "$scratch/stderr"
check "and is called as it was typed" 0 "" return_status $?
check "embedded: needs no storaged" 0 "1" dsoctl --url embedded: counter add hits
check "nobody listening fails" 1 "" dsoctl --url "dso+unix://$scratch/nothing" ping
complains "dsoctl: *$scratch/nothing*"
check "where there is no socket, that is said" 1 "" dsoctl --url "dso+unix://$scratch/nothing" counter get c
complains "dsoctl: *$scratch/nothing: No such file or directory*"
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
for _ in {1..2400}; do [[ ! -s $scratch/port ]] || break; sleep 0.05; done
check "a storaged that is silent is no other who has it" 1 "" dsoctl --url "dso://127.0.0.1:$(<"$scratch/port")" --timeout 200ms ping
complains "dsoctl: cannot open *no answer from storaged*"
check "nor for a command that waits for others" 1 "" dsoctl --url "dso://127.0.0.1:$(<"$scratch/port")" \
	lock m --timeout 200ms -- echo no
check "nor for one that does not wait, which gives storaged its silence" 1 "" \
	dsoctl --url "dso://127.0.0.1:$(<"$scratch/port")" --silence 200ms lock m --timeout 0 -- echo no
complains "dsoctl: cannot open *no answer from storaged*"
{ kill "$silent_pid" && wait "$silent_pid"; } 2>/dev/null

# ---- with one ----

start_storaged

check "ping measures" 0 "3 round trips *min*avg*max*" dsoctl ping -n 3
check "ping is JSON" 0 valid json dsoctl ping --json
check "storaged says how much memory there is" 0 "*memory=64MiB" cat "$scratch/ready"
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
check "cas says in JSON whether it swapped" 1 '*"swapped":false,"before":8,"before_text":"8"}' \
	dsoctl --json counter cas hits 7 9
check "options may stand behind the arguments" 0 8 field value dsoctl counter get hits --json
check "a counter beyond 2^53 is there as text, too" 0 9007199254740993 \
	field value_text dsoctl counter set hits 9007199254740993 --json
check "as before" 0 "" dsoctl counter set hits 8
check "a value that is there is not waited for" 0 8 dsoctl counter wait hits 8 --timeout 0
check "a value that is not is waited for as long as that" 124 "" \
	dsoctl counter wait hits 9 --timeout 50ms
check "the wait for another value is over with any" 0 8 dsoctl counter wait hits 9 --other
check "but not with that one" 124 "" dsoctl counter wait hits 8 --other --timeout 50ms
check "a value is a number" 2 "" dsoctl counter wait hits many
"$DSOCTL" counter wait hits 9 >"$scratch/waited" &
waiter=$!
check "somebody else adds" 0 9 dsoctl counter add hits
wait "$waiter"
check "and the wait is over" 0 9 cat "$scratch/waited"
check "set back" 0 "" dsoctl counter set hits 8
check "a counter that is not there is not made by asking for it" 1 "" dsoctl counter get nosuch
complains "dsoctl: there is no counter nosuch; dsoctl counter add NAME makes one"
check "an empty name is none" 2 "" dsoctl counter add ""
complains "dsoctl: counter add: the name is empty, and has 1 to 255 bytes; usage: *"
check "help says where the commands are that it knows" 2 "" dsoctl help nonsense
complains "dsoctl: help knows no command nonsense; dsoctl help lists the commands"
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
check "a version that is newer is not waited for" 0 1 \
	field length_bytes dsoctl --json register wait bytes-1 0 --timeout 0
check "one that is not is waited for as long as that" 124 "" \
	dsoctl register wait bytes-1 1 --timeout 50ms
check "no version follows the last one" 2 "" dsoctl register wait bytes-1 1099511627775
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
# Names that a terminal would obey, that would look like another one, and that are no UTF-8.
odd=$'x\e[31m\n\x7f\xc2\x9b\xff\\\xe2\x80\xae'
# obeyed COMMAND...: what it prints, to stdout and stderr, without what a terminal may have. stderr is there for complains.
obeyed() {
	"$@" </dev/null 2>&1 | LC_ALL=C grep -aoE $'[^ -~]'
	return 0
}
# Every command that takes a name, by the table, with what it takes beside it.
mapfile -t named < <(dsoctl help | sed -nE 's/^  ([a-z]+( [a-z-]+)?) .*NAME.*/\1/p' | sort -u)
[[ ${#named[@]} -ge 20 ]]
check "the table has the commands that take a name" 0 "" return_status $?
# obeyed_of COMMAND: of its runs with that name, and with such other arguments as one or the other command has.
obeyed_of() {
	local rest
	for rest in "" 1 "1 2" true "-n 1"; do obeyed dsoctl --timeout 100ms $1 "$odd" $rest; done
	obeyed dsoctl --timeout 100ms $1 "$odd" "$odd"
}
for command in "${named[@]}"; do
	check "$command shows no byte of a name that a terminal obeys" 0 "" obeyed_of "$command"
done
for command in ls "ls -l" "ls --json" "ls --held" "stat"; do
	check "neither does $command" 0 "" obeyed dsoctl $command
done
DSO_URL=$odd DSO_DEVICE=$odd check "nor doctor one of the environment" 0 "" obeyed dsoctl doctor
dsoctl rm --force --prefix x
for name in $'\xff' '\xff' $'\\\xff' '\x5cxff' $'\x1b' '\u001b' '\x1b'; do dsoctl counter add "x-$name" >/dev/null; done
check "two names never look the same" 0 7 bash -c '"$0" ls | grep "^x-" | sort -u | wc -l' "$DSOCTL"
check "nor in JSON" 0 7 bash -c '"$0" ls --json | grep -o "\"name\":\"x-[^,]*" | sort -u | wc -l' "$DSOCTL"
dsoctl rm --prefix x-
dsoctl counter add $'\e[31mred' >/dev/null
check "a name cannot command the terminal" 0 '*\\x1b\[31mred*' dsoctl ls
check "names are JSON whatever they hold" 0 valid json dsoctl ls --json
check "stat describes an object" 0 "*type*counter*stripes*8*" dsoctl stat wide
check "stat --json has the capacity" 0 1048576 field capacity_bytes dsoctl --json stat bytes-1048576
check "stat describes storaged" 0 "version*sessions_begun*" dsoctl stat
check "and says why sessions ended" 0 "*sessions_ended_goodbye*sessions_ended_silent*" dsoctl stat
check "doctor does so too" 0 "*ended * goodbye *" dsoctl doctor
check "stat of storaged is JSON" 0 valid json dsoctl stat --json
check "stat --transport tells of packets" 0 "*packets_sent*window_bytes*" dsoctl --url "$tcp_url" --transport roce stat --transport
check "stat --transport is JSON" 0 valid json dsoctl --url "$tcp_url" --transport roce stat --transport --json
check "stat --transport of shm has nothing to tell" 1 "" dsoctl --transport shm stat --transport
check "stat of nothing fails" 1 "" dsoctl stat missing
check "rm deletes several" 0 "" dsoctl rm bytes-0 bytes-1
check "rm without a name is wrong usage" 2 "" dsoctl rm
check "rm with an empty prefix is wrong usage" 2 "" dsoctl rm --prefix ""
check "rm with a prefix and a name is wrong usage" 2 "" dsoctl rm --prefix a b
for name in run-17/a run-17/b run-170; do dsoctl counter add $name >/dev/null; done
check "rm deletes what begins with a prefix" 0 '{"deleted":\["run-17/a","run-17/b"]}' dsoctl rm --prefix run-17/ --json
check "and nothing else" 0 1 dsoctl counter get run-170
for object in run-19/a run-19/b run-20/c; do dsoctl counter add "$object" >/dev/null; done
check "ls lists what begins with a prefix" 0 $'run-19/a\nrun-19/b' dsoctl ls --prefix run-19/
check "rm deletes it without a word" 0 "" dsoctl rm --prefix run-19/
check "and nothing else" 0 run-20/c dsoctl ls --prefix run-20
check "stat tells that an object stays" 0 False field ephemeral dsoctl stat run-20/c --json
check "an object that stays is not made ephemeral" 1 "" \
	dsoctl semaphore run run-20/c --permits 1 --ephemeral -- true
dsoctl rm run-20/c
check "an ephemeral lock is there while it is open" 0 "true" \
	dsoctl lock passing --ephemeral -- bash -c '"$0" stat passing --json | jq .ephemeral' "$DSOCTL"
check "and not after that" 0 "" dsoctl ls --prefix passing
check "so is a semaphore" 0 "*passing*" \
	dsoctl semaphore run passing --permits 2 --ephemeral -- "$DSOCTL" ls -l --prefix passing
check "and it is gone" 1 "" dsoctl stat passing
check "and a barrier of one" 0 "last" dsoctl barrier wait passing -n 1 --ephemeral
check "and it is gone, too" 1 "" dsoctl stat passing
check "a prefix of nothing deletes nothing" 0 "" dsoctl rm --prefix run-18/
dsoctl rm run-170
check "rm goes on after a failure" 1 "" dsoctl rm missing bytes-65536
complains "dsoctl: *missing*"
check "and they are gone" 0 $'*x1b\[31mred\nbinary\nbytes-1048576\nhits\ntext\nwide' dsoctl ls
check "a name of 256 bytes is refused" 1 "" dsoctl counter add "$(printf 'n%.0s' {1..256})"
check "an empty name is refused" 2 "" dsoctl counter add ""
check "-- ends the options" 1 "" dsoctl stat -- -l

check "doctor over the unix socket" 0 "*url*$scratch*(from DSO_URL)*transport*shm*verdict*everything works" \
	dsoctl doctor
check "doctor over tcp" 0 "*(from --url)*transport*tcp*everything works" \
	dsoctl --url "$tcp_url" --transport tcp doctor
check "doctor over roce tells of its packets" 0 "*transport*roce*path*packets of up to *sent again*everything works" \
	dsoctl --url "$tcp_url" --transport roce doctor
check "doctor --json is healthy" 0 True field healthy dsoctl --json doctor
check "doctor leaves nothing behind" 0 $'*x1b\[31mred\nbinary\nbytes-1048576\nhits\ntext\nwide' dsoctl ls

# ---- fsck ----

check "fsck finds nothing wrong with objects that nobody has written over" 0 "* objects: * clean, 0 damaged, 0 in use" dsoctl fsck
check "nor with one of them" 0 "1 object: 1 clean, 0 damaged, 0 in use" dsoctl fsck hits
check "fsck --json is an object a line" 0 valid json dsoctl fsck --json
check "with its name, state and findings" 0 '{"name":"hits","state":"clean","findings":\[\]}' dsoctl fsck hits --json
check "an object that is not there cannot be checked" 1 "1 object: 1 clean,*" dsoctl fsck nothing hits
complains "dsoctl: *nothing*"

# The arena is a memfd of storaged. A counter's header says its generation at 4.
write_over() { # NAME OFFSET
	local offset
	offset=$(dsoctl stat "$1" | awk '$1 == "offset" { print $2 }')
	python3 -c '
import glob, os, sys
for path in glob.glob("/proc/%s/fd/*" % sys.argv[1]):
    if os.readlink(path).startswith("/memfd:dso-arena"):
        arena = os.open(path, os.O_RDWR)
        before = os.pread(arena, 1, int(sys.argv[2]))
        os.pwrite(arena, bytes([before[0] ^ 255]), int(sys.argv[2]))' "$storaged_pid" "$((offset + $2))"
}
write_over hits 4
check "what is written over is damage" 1 $'counter hits: damage at 4: its header says generation *, storaged says *\n1 object: 0 clean, 1 damaged, 0 in use' dsoctl fsck hits
check "also among all objects" 1 "counter hits: damage at 4: *1 damaged, 0 in use" dsoctl fsck
check "and in JSON" 1 '{"name":"hits","state":"damaged","findings":\[{"kind":"damage","offset":4,"sentence":"its header says*"}\]}' \
	dsoctl fsck hits --json
write_over hits 4
check "and is clean as it was before" 0 "1 object: 1 clean,*" dsoctl fsck hits

# ---- completion ----

# complete WORDS...: what bash would offer for the last of them.
complete_words() {
	PATH=$(dirname "$DSOCTL"):$PATH bash -c '
		eval "$(dsoctl completion bash)"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_dsoctl
		echo "${COMPREPLY[*]}"' bash "$@"
}
check "completion and help have no JSON" 2 "" dsoctl completion bash --json
check "completion offers commands" 0 "counter completion" complete_words dsoctl co
check "and second words" 0 "open get set add cas wait" complete_words dsoctl counter ""
check "of all commands" 0 "push pop" complete_words dsoctl queue p
check "and names of objects" 0 "hits" complete_words dsoctl counter get h
check "behind fsck, too" 0 "hits" complete_words dsoctl fsck h
check "and options" 0 "--timeout" complete_words dsoctl --ti
check "each once, from the table" 0 "--held --help" complete_words dsoctl --he
check "those of single commands, too" 0 "--prefix" complete_words dsoctl rm --pr
check "and looks past the options given" 0 "get" complete_words dsoctl --timeout 2s register g
check "and a command behind --" 0 "*dsoctl*" complete_words dsoctl lock m -- dsoct
check "and words of coordination" 0 "wait reset stat" complete_words dsoctl barrier ""
dsoctl counter add "\$(touch $scratch/owned)" >/dev/null

complete_words dsoctl rm "" >/dev/null
check "and does not run what stands in a name" 1 "" bash -c 'test -e "$0"' "$scratch/owned"

stop_storaged
check "after the end of storaged it fails" 1 "" dsoctl ping
complains "dsoctl: *"

finish
