#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dsoctl as a wrapper: the work that something is held for, its signals, and its end when the session is lost.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154,SC2317
. "${0%/*}/testing.sh"

start_storaged

# use TRANSPORT: from here on.
use() {
	export DSO_TRANSPORT=$1 DSO_URL=$tcp_url
	[ "$1" != shm ] || DSO_URL=$unix_url
}
# noted FILE: a file of the scratch directory has something in it.
noted() { test -s "$scratch/$1"; }
noted_pid() { cat "$scratch/$1"; }
# anew NAME...: remove such files, and make the pipe that is waited at.
anew() {
	(cd "$scratch" && rm -f go "$@" && mkfifo go)
}
go() { echo >"$scratch/go"; }

# ---- what the work is ----

# In the directory $0: a shell that waits for a shell that waits for the pipe.
in_two_steps='bash -c '\''echo $$ >"$0/inner"; read -r _ <"$0/go"; echo >"$0/worked"'\'' "$0" & echo $$ >"$0/outer"; wait'

for transport in shm tcp roce; do
	use $transport

	anew inner outer worked
	"$DSOCTL" lock m -- bash -c "$in_two_steps" "$scratch" &
	holder=$!
	eventually noted inner
	kill -TERM $holder
	eventually dead "$(noted_pid outer)"
	check "$transport: what SIGTERM leaves of the work is held for" 124 "" dsoctl lock m --timeout 0 -- true
	go
	ended "$transport: dsoctl has the command's status" 143 $holder
	check "$transport: the work was done" 0 "" test -e "$scratch/worked"
	check "$transport: and the lock is unlocked" 0 no dsoctl lock m --timeout 0 -- sh -c 'echo ${DSO_LOCK_OWNER_DIED-no}'

	anew inner outer worked
	"$DSOCTL" lock m -- bash -c "$in_two_steps" "$scratch" &
	holder=$!
	eventually noted inner
	kill -TERM $holder
	eventually dead "$(noted_pid outer)"
	kill -TERM $holder
	ended "$transport: a signal behind the command's end is for what it has left" 143 $holder
	check "$transport: which it ends" 1 "" test -e "$scratch/worked"

	anew daemon
	check "$transport: a daemon is not waited for" 0 "" dsoctl lock m -- \
		bash -c 'setsid bash -c '\''echo $$ >"$0/daemon"; read -r _ <"$0/go"'\'' "$0" >"$0/out" 2>&1 & until [ -s "$0/daemon" ]; do :; done' "$scratch"
	check "$transport: and goes on" 0 "" kill -0 "$(noted_pid daemon)"
	go

	# So that there is something to say: the holder before has not unlocked it.
	hold m sleep 600
	dsoctl unlock --force m
	check "$transport: a closed stderr is none of storaged's sockets" 0 ran bash -c '"$0" lock m -- echo ran 2>&-' "$DSOCTL"
	kill -TERM $holder
	ended "$transport: who has lost the lock hears of it" 1 $holder
	hold m sleep 600
	dsoctl unlock --force m
	check "$transport: neither are all three" 0 "" bash -c '"$0" lock m -- touch "$1/all" <&- >&- 2>&-' "$DSOCTL" "$scratch"
	check "$transport: and the command runs" 0 "" rm "$scratch/all"
	kill -TERM $holder
	wait $holder
done
# Nor of storaged's, which would get what storaged logs.
"$STORAGED" --listen 127.0.0.1:0 --unix-socket "$scratch/closed" --memory 64MiB --log-level debug <&- >&- 2>&- &
closed=$!
eventually dsoctl --url "dso+unix://$scratch/closed" ping
check "storaged with closed descriptors has nothing of its own there" 0 $'/dev/null\n/dev/null\n/dev/null' \
	readlink "/proc/$closed/fd/0" "/proc/$closed/fd/1" "/proc/$closed/fd/2"
kill $closed
wait $closed
check "what cannot be said is a failure" 1 "" bash -c '"$0" counter add said >&-' "$DSOCTL"
complains "dsoctl: cannot write to stdout*"

check "children from before are not part of the work" 0 "" timeout 300 \
	bash -c 'sleep 300 >/dev/null 2>&1 & echo $! >"$1/before"; exec "$0" lock m -- true' "$DSOCTL" "$scratch"
check "and stay" 0 "" kill "$(noted_pid before)"

# ---- signals ----

use shm
# A command that ends with 9 by the signal that it is told.
cat >"$scratch/handles" <<'EOF'
import signal, sys
number = getattr(signal, "SIG" + sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, [number])
open(sys.argv[2], "w").close()
signal.sigwait([number])
sys.exit(9)
EOF
for signal in INT HUP TERM; do
	# A shell has its background processes ignore SIGINT.
	env --default-signal=INT "$DSOCTL" lock m -- python3 "$scratch/handles" $signal "$scratch/trap$signal" &
	holder=$!
	eventually test -e "$scratch/trap$signal"
	kill -$signal $holder
	ended "the command may handle SIG$signal" 9 $holder
done


# A command that notes each SIGTERM, and ends by SIGUSR2.
cat >"$scratch/counts" <<'EOF'
import os, signal
numbers = {signal.SIGTERM, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
os.write(1, b"ready\n")
while signal.sigwait(numbers) != signal.SIGUSR2: os.write(1, b"term\n")
EOF
terms() { [[ $(grep -c term "$scratch/terms") -eq $1 ]]; }
# dsoctl stands still while the group gets the signal, so that two would be told from one.
rm -f "$scratch/terms"
setsid "$DSOCTL" lock m -- python3 "$scratch/counts" >"$scratch/terms" &
holder=$!
eventually noted terms
kill -STOP $holder
kill -TERM -- -$holder
check "a signal for the process group reaches the command" 0 "" eventually terms 1
kill -CONT $holder
kill -USR2 $holder
ended "and dsoctl passes on what is for itself" 0 $holder
check "but not what the group has got" 0 1 grep -c term "$scratch/terms"

# The terminal's Ctrl-C.
cat >"$scratch/terminal" <<'EOF'
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
def until(text):
    global said
    while text not in said:
        said += os.read(terminal, 100)
until(b"ready")
os.write(terminal, b"\x03")
until(b"int")
os.kill(pid, 12)
try:
    while True:
        said += os.read(terminal, 100)
except OSError:
    pass
print(said.count(b"int"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
EOF
sed -i 's/SIGTERM/SIGINT/; s/b"term/b"int/' "$scratch/counts"
check "Ctrl-C comes to the command once" 0 "1 0" python3 "$scratch/terminal" "$DSOCTL" lock m -- python3 "$scratch/counts"

# For all that a process can hear of. The command writes the number of each, and the group gets each before dsoctl does:
# when dsoctl has passed on the last, SIGRTMAX, it is through with those.
cat >"$scratch/all_signals" <<'EOF'
import os, signal, subprocess, sys
spared = {signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD,
          signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
numbers = sorted(set(signal.valid_signals()) - spared)
if len(sys.argv) == 1:
    # Not by handlers: one that comes right before a pause would be noted behind the next one.
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    os.write(1, b"%d\n" % os.getpid())
    while True: os.write(1, b"%d\n" % signal.sigwait(numbers))
dsoctl = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, start_new_session=True)
command = int(dsoctl.stdout.readline())
noted = []
def send(how, number):
    before = noted.count(number)
    how(dsoctl.pid, number)
    while noted.count(number) == before:
        line = dsoctl.stdout.readline()
        if not line: sys.exit("signal %d ended dsoctl" % number)
        noted.append(int(line))
for number in numbers: send(os.killpg, number)
send(os.kill, signal.SIGRTMAX)
for number in numbers[:-1]: send(os.kill, number)
os.kill(command, signal.SIGKILL)
noted += map(int, dsoctl.stdout.read().split())
print([int(number) for number in numbers if noted.count(number) != 2], dsoctl.wait())
EOF
check "every signal that would end dsoctl reaches the command once, from whom it may be" 0 "\[\] 137" \
	python3 "$scratch/all_signals" "$DSOCTL" lock m -- python3 "$scratch/all_signals"
check "the command hears of a pipe that nobody reads" 0 141 dsoctl lock m -- bash -c 'yes | true; echo ${PIPESTATUS[0]}'
# As it does behind the command's end, whatever the signal would do to a process that has not thought of it.
for signal in PIPE ALRM RTMIN; do
	anew inner outer worked
	"$DSOCTL" lock m -- bash -c "$in_two_steps" "$scratch" &
	holder=$!
	eventually noted inner
	kill -KILL "$(noted_pid outer)"
	eventually dead "$(noted_pid outer)"
	kill -$signal $holder
	ended "SIG$signal behind the command's end is for what it has left" 137 $holder
	check "SIG$signal: which it ends" 1 "" test -e "$scratch/worked"
done

# ---- process 1 ----

apart=(unshare --pid --fork)
"${apart[@]}" true 2>/dev/null || apart=(unshare --user --map-root-user --pid --fork)
# first_of PROCESS: what unshare has started, process 1 of its namespace.
first_of() { cat "/proc/$1/task/$1/children"; }
if "${apart[@]}" true 2>/dev/null; then
	"${apart[@]}" "$DSOCTL" barrier wait one -n 2 &
	holder=$!
	eventually waiting one 1
	kill -TERM "$(first_of "$holder")"
	ended "process 1 obeys SIGTERM" 143 $holder
	anew inner outer worked
	"${apart[@]}" "$DSOCTL" lock m -- bash -c "$in_two_steps" "$scratch" &
	holder=$!
	eventually noted inner
	kill -TERM "$(first_of "$holder")"
	eventually held m
	go
	ended "and passes it on to its command" 143 $holder
	check "of which it waits for all" 0 "" test -e "$scratch/worked"
else
	echo "# no PID namespaces here: process 1 is not tested"
fi

# ---- the session is lost ----

# In the directory $0: a shell whose child, when it is asked to end, waits for the pipe and says that it has ended.
in_good_order='bash -c '\''trap "echo >\"$0/asked\"; read -r _ <\"$0/go\"; echo >\"$0/worked\"; exit" TERM
	echo $$ >"$0/inner"; while :; do sleep 0.05; done'\'' "$0" & echo $$ >"$0/outer"; wait'

for transport in shm tcp roce; do
	use $transport
	anew inner outer asked worked
	"$DSOCTL" lock m -- bash -c "$in_good_order" "$scratch" 2>"$scratch/why" &
	holder=$!
	eventually noted inner
	killed "$storaged_pid"
	eventually noted asked
	go
	ended "$transport: a lock that is lost ends the command" 1 $holder
	check "$transport: and says why" 0 "*dsoctl: the session is lost, and the command must end with it: *" cat "$scratch/why"
	check "$transport: what it has started may end in good order" 0 "" test -e "$scratch/worked"
	unset DSO_TRANSPORT
	start_storaged
done
# Somebody may have asked for dsoctl's sentences and not read them.
use shm
for runs in "lock m" "semaphore run permits --permits 1" "once o"; do
	for stderr in ended full; do
		anew inner outer asked worked
		rm -f "$scratch/unread" && mkfifo "$scratch/unread"
		exec 7<>"$scratch/unread"
		exec 8>"$scratch/unread"
		# Of the pipe nobody is the reader any more, or there is no room in it.
		[ $stderr = ended ] || timeout 5 dd if=/dev/zero of="$scratch/unread" bs=4096 oflag=nonblock 2>/dev/null
		[ $stderr = full ] || exec 7<&-
		# The shells of the work have things to say, too.
		"$DSOCTL" $runs -- bash -c "exec 2>/dev/null; $in_good_order" "$scratch" 2>&8 7<&- 8>&- &
		holder=$!
		eventually noted inner
		killed "$storaged_pid"
		check "$runs: the work is asked to end where nobody reads stderr ($stderr)" 0 "" eventually noted asked
		go
		check "$runs: and ends" 0 "" eventually test -e "$scratch/worked"
		[ $stderr = ended ] || head -c 65536 <&7 >/dev/null
		ended "$runs: and so does dsoctl" 1 $holder
		exec 7<&- 8>&-
		unset DSO_TRANSPORT
		start_storaged
		use shm
	done
done
use shm
# fill: $scratch/unread is a pipe, open as 7, in which there is no room.
# says PROCESS: its main thread is in a system call for descriptor 2.
says() {
	local call
	read -r call <"/proc/$1/syscall"
	[[ $call == [0-9]*" 0x2 "* ]]
}
# What dsoctl has to say delays nobody: neither the work, nor who comes next.
fill() {
	rm -f "$scratch/unread" && mkfifo "$scratch/unread"
	exec 7<>"$scratch/unread"
	timeout 5 dd if=/dev/zero of="$scratch/unread" bs=4096 oflag=nonblock 2>/dev/null
}
for runs in "lock blocked" "semaphore run blocked_permits --permits 1" "once blocked_once"; do
	fill
	if [ "$runs" = "lock blocked" ]; then
		# So that there is something to say before the work, too.
		hold blocked sleep 600
		dsoctl unlock --force blocked
		kill -TERM $holder
		wait $holder
		anew inner outer worked
		"$DSOCTL" $runs -- bash -c "exec 2>/dev/null; $in_two_steps" "$scratch" 2>"$scratch/unread" 7<&- &
		holder=$!
		check "$runs: the work begins where nobody reads of the holder before" 0 "" eventually noted inner
		go
		check "$runs: and is done" 0 "" eventually noted worked
		check "$runs: and somebody else has it" 0 "" dsoctl --timeout 2m $runs -- true
		head -c 65536 <&7 >/dev/null
		ended "$runs: dsoctl has said it in the end" 0 $holder
		fill
	fi
	"$DSOCTL" $runs -- "$scratch/nothing" 2>"$scratch/unread" 7<&- &
	holder=$!
	eventually says $holder
	check "$runs: who is at a sentence that nobody reads holds nothing" 0 "" dsoctl --timeout 5m $runs -- true
	head -c 65536 <&7 >/dev/null
	ended "$runs: it has said that there is none" 127 $holder
done
exec 7<&-
# Its TTL is shorter than the silence, and so is what has to linger.
check "a silence is no reason to ask for a linger that storaged does not allow" 0 held \
	dsoctl --silence 60s lock patient -- echo held
# A storaged that falls silent. The command does not end by itself, and neither does what it runs.
"$DSOCTL" --silence 3s lock lost -- bash -c '
	trap "" TERM; sleep 61 & echo $! >"$0/orphan"; echo $$ >"$0/command"; wait; sleep 62' "$scratch" 2>"$scratch/why" &
holder=$!
eventually held lost
eventually test -s "$scratch/command"
kill -STOP $storaged_pid
ended "a lock that is lost ends the command" 1 $holder
kill -CONT $storaged_pid
check "and says why" 0 "*dsoctl: the session is lost, and the command must end with it: *" cat "$scratch/why"
check "the command is gone" 0 "" gone "$scratch/command"
check "and what it ran" 0 "" gone "$scratch/orphan"
check "another gets the lock" 0 yes dsoctl lock lost --timeout 2m -- echo yes

# ---- what is held lingers behind a broken connection ----

# A relay to storaged on $relay_url, that breaks all connections when it gets SIGUSR1.
cat >"$scratch/relay" <<'EOF'
import os, signal, socket, sys, threading
connections = []
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
def accept(listener, target):
    while True:
        a, _ = listener.accept()
        b = socket.create_connection(target)
        connections.extend((a, b))
        for x, y in ((a, b), (b, a)):
            x.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=pump, args=(x, y), daemon=True).start()
listener = socket.create_server(("127.0.0.1", 0))
host, port = sys.argv[1].removeprefix("dso://").split(":")
threading.Thread(target=accept, args=(listener, (host, int(port))), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("dso://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
signal.sigwait({signal.SIGUSR1})
for connection in connections:
    connection.shutdown(socket.SHUT_RDWR)
signal.pause()
EOF
lingers() { dsoctl ls --held | grep "lingers.* $1\$"; }
# Behind what was broken nothing may be late: the linger of 20 s of silence is 28 s.
for transport in tcp roce; do
	use $transport
	rm -f "$scratch/relay_url"
	python3 "$scratch/relay" "$tcp_url" >"$scratch/relay_url" &
	relay=$!
	eventually noted relay_url
	anew inner outer asked worked
	"$DSOCTL" --url "$(<"$scratch/relay_url")" lock "cut_$transport" -- bash -c "$in_good_order" "$scratch" 2>/dev/null &
	holder=$!
	eventually noted inner
	kill -USR1 $relay
	eventually noted asked
	check "$transport: what is held lingers when the connection is cut" 0 "*lingers*cut_$transport" lingers "cut_$transport"
	check "$transport: so that nobody else has it while the command ends" 124 "" dsoctl lock "cut_$transport" --timeout 0 -- true
	go
	ended "$transport: it ends in good order" 1 $holder
	mv "$scratch/worked" "$scratch/worked_$transport"
	killed $relay
done

# ---- dsoctl is killed ----

# Beside each other, for the linger of each takes its time.
use shm
export DSO_TIMEOUT_MS=3000
"$DSOCTL" lock killed -- bash -c 'echo $$ >"$0/command"; exec sleep 600' "$scratch" &
holders=$!
"$DSOCTL" --url "$tcp_url" --transport tcp lock killed_tcp -- sleep 600 &
holders="$holders $!"
"$DSOCTL" semaphore run killed_permits --permits 2 --count 2 -- sleep 600 &
holders="$holders $!"
"$DSOCTL" once killed_once -- sleep 600 &
holders="$holders $!"
for name in killed killed_tcp killed_permits killed_once; do eventually held $name; done
eventually noted command
for holder in $holders; do killed "$holder"; done
export DSO_TIMEOUT_MS=20000
check "the command of a dsoctl that is killed is gone" 0 "" eventually dead "$(noted_pid command)"
check "who is killed loses the lock, and the next one is told" 0 1 \
	dsoctl lock killed --timeout 2m -- sh -c 'echo $DSO_LOCK_OWNER_DIED'
complains "dsoctl: *held mutex killed before*half done"
check "the one after it is not told" 0 no dsoctl lock killed -- sh -c 'echo ${DSO_LOCK_OWNER_DIED-no}'
check "over tcp, too" 0 1 dsoctl lock killed_tcp --timeout 2m -- sh -c 'echo $DSO_LOCK_OWNER_DIED'
check "permits of who is killed come back" 0 "" dsoctl semaphore run killed_permits --count 2 --timeout 2m -- true
check "and a once of who is killed is done by another" 0 second dsoctl once killed_once --timeout 2m -- echo second
for transport in tcp roce; do
	use $transport
	check "$transport: after a cut connection another has it in the end, and is told" 0 "1 worked" \
		dsoctl lock "cut_$transport" --timeout 2m -- \
		bash -c 'echo -n "$DSO_LOCK_OWNER_DIED "; test -e "$0" && echo worked' "$scratch/worked_$transport"
done
finish
