#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Maps and sets: what goes in and comes out, as words, as bytes and as JSON.
# shellcheck disable=SC1091,SC2016,SC2034,SC2154
. "${0%/*}/testing.sh"

start_storaged
map() { "$DSOCTL" map "$@"; }
set_of() { "$DSOCTL" set "$@"; }
# put_input TEXT ARGUMENT...: with that as stdin, in which printf expands \n and \0.
# shellcheck disable=SC2059
put_input() { printf "$1" | map put "${@:2}"; }

# ---- values ----

check "a map is not made by a get" 1 "" map get users ann
complains "dsoctl: there is no map users; dsoctl map put NAME KEY VALUE makes one"
check "but by a put" 0 "" map put users ann '{"id":1}'
check "whose value a get writes as it is" 0 '{"id":1}' map get users ann
check "a key that is not there is told from a map that is not" 1 "" map get users bob
complains "dsoctl: map users has no key bob"
check "ls tells its type" 0 "TYPE*"$'\n'"map *  users" dsoctl ls -l
check "stat tells how many may change it" 0 '*"type":"map",*"members":1024*' dsoctl stat users --json
check "without VALUE it is stdin" 0 "" put_input 'a\0b\n' users bytes
check "with every byte of it" 0 "a b " bash -c '"$0" map get users bytes | tr "\0\n" "  "' "$DSOCTL"
check "values may be empty" 0 "" map put users empty ""
check "and so may keys" 0 "" map put users "" nobody
check "what begins with - stands behind --" 0 "" map put users -- -k -v
check "as a key, too" 0 -v map get users -- -k
check "JSON has the value as text" 0 '{"name":"users","key":"ann","version":*,"length_bytes":8,"value":"{\\"id\\":1}"}' \
	map get users ann --json
put_input '\377' users binary
check "or in base64" 0 '*"value_base64":"/w=="}' map get users binary --json
check "a value of more than 1 MiB is refused" 1 "" bash -c 'head -c 1048577 /dev/zero | "$0" map put users big' "$DSOCTL"
complains "dsoctl: *users*1048576*"
check "one of 1 MiB is not" 0 "" bash -c 'head -c 1048576 /dev/zero | "$0" map put users big' "$DSOCTL"
check "and comes back" 0 1048576 bash -c '"$0" map get users big | wc -c' "$DSOCTL"
check "a key of more than 1 KiB is refused" 1 "" map put users "$(printf '%1025d' 0)" x

# ---- conditions ----

check "add leaves alone what is there" 1 "" map add users ann other
complains "dsoctl: map users has the key ann: nothing was changed"
check "and sets what is not" 0 "" map add users carl 3
check "as it was given" 0 3 map get users carl
version=$(field version map get users carl --json)
check "replace takes the version that was seen" 0 '{"name":"users","key":"carl",*' map replace users carl "$version" 4 --json
check "once" 1 "" map replace users carl "$version" 5
complains "dsoctl: key carl of map users has the version *: nothing was changed"
check "what is no version is refused" 2 "" map replace users carl x 5
check "replace makes nothing" 1 "" map replace users dora "$version" 5
check "remove takes a key out" 0 "" map remove users carl
check "once" 1 "" map remove users carl
check "contains says so by its status" 1 "" map contains users carl
complains "dsoctl: users has no key carl"
check "and in JSON" 0 '{"name":"users","key":"ann","contains":true}' map contains users ann --json

# ---- waiting ----

check "wait finds what is there" 0 '{"id":1}' map wait users ann
check "and not another key" 124 "" map wait users emil --timeout 0
complains "dsoctl: *map users*--timeout waits longer"
map wait later job >"$scratch/waited" &
waiter=$!
eventually opened later 1
map put later job ready
ended "it waits for a put" 0 $waiter
check "and writes the value" 0 ready cat "$scratch/waited"
version=$(field version map get later job --json)
check "a version that was seen is not waited for" 124 "" map wait later job "$version" --timeout 100ms
map wait later job "$version" --json >"$scratch/waited" &
waiter=$!
eventually opened later 1
map put later job again
ended "but the next one" 0 $waiter
check "which --json tells" 0 '{"name":"later","key":"job","version":*,"length_bytes":5,"value":"again"}' cat "$scratch/waited"
check "what is no version is refused" 2 "" map wait later job x

# ---- merge ----

check "merge makes a map, too" 0 "" map merge words whale sum 2
check "and adds up" 0 "" map merge words whale sum -- -5
check "which get prints as a number" 0 -3 map get words whale int64
check "the smallest and the largest" 0 "" map merge words whale max 9
check "of both" 0 9 map get words whale int64
check "doubles too" 0 "" map merge words mean sum-double 0.5
check "of any sign" 0 "" map merge words mean sum-double 1e3
check "which are printed whole" 0 1000.5 map get words mean double
check "append puts bytes behind those that are there" 0 "" map merge words text append a
check "from stdin, too" 0 "" bash -c 'printf bc | "$0" map merge words text append' "$DSOCTL"
check "in that order" 0 abc map get words text
check "a value of another length is no number" 1 "" map get words text int64
check "and cannot be added to" 1 "" map merge words text sum 1
complains "*the value that is there does not have 8 bytes*"
check "first keeps what is there" 0 "" map merge words text first z
check "as it is" 0 abc map get words text
check "there is no other function" 2 "" map merge words text product 2
check "a sum needs a number" 2 "" map merge words text sum
check "that is one" 2 "" map merge words text sum x

# ---- the whole map ----

check "size counts the entries" 0 3 map size words
check "scan prints them" 0 $'text\tabc' bash -c '"$0" map scan words | grep -a abc' "$DSOCTL"
check "or an object a line" 0 '{"name":"words","version":*,"key":"text","length_bytes":3,"value":"abc"}' \
	bash -c '"$0" map scan words --json | grep abc' "$DSOCTL"
seq 3000 | while read -r n; do echo "$n"; done >"$scratch/keys"
check "many keys are added in one call" 0 3000 xargs -a "$scratch/keys" "$DSOCTL" set add numbers
check "and scanned each once" 0 "" bash -c '"$0" set scan numbers | sort -n | diff - "$1"' "$DSOCTL" "$scratch/keys"
check "with bytes of 0 behind them" 0 3000 bash -c '"$0" set scan numbers --null | tr -cd "\0" | wc -c' "$DSOCTL"
check "clear removes all of a map" 0 "" map clear words
check "and leaves the map" 0 0 map size words

# ---- sets ----

check "a set is not made by a question" 1 "" set_of contains seen a
complains "dsoctl: there is no set seen; dsoctl set add NAME KEY makes one"
check "add prints how many are new" 0 2 set_of add seen a b a
check "or in JSON" 0 '{"name":"seen","added":1}' set_of add seen b c --json
check "contains says by its status that a key is there" 0 "" set_of contains seen a
check "or not" 1 "" set_of contains seen d
complains "dsoctl: seen has no key d"
check "remove prints how many were there" 0 1 set_of remove seen a d
check "size prints how many are left" 0 2 set_of size seen
check "scan prints them" 0 $'b\nc' bash -c '"$0" set scan seen | sort' "$DSOCTL"
check "clear takes out the rest" 0 '{"name":"seen"}' set_of clear seen --json
check "and leaves the set" 0 '{"name":"seen","size":0}' set_of size seen --json
check "a map is no set" 1 "" set_of add words a
check "one that is made ephemeral goes with its last session" 0 "" set_of open gone --ephemeral
check "which was that one" 1 "" set_of size gone
finish
