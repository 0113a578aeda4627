#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Aggregators: numbers in, and what they are reduced to.
# shellcheck disable=SC1091,SC2016,SC2034,SC2154
. "${0%/*}/testing.sh"

start_storaged
agg() { "$DSOCTL" agg "$@"; }

check "an aggregator is not made by a contribution" 1 "" agg contribute grades 0 1
complains "dsoctl: there is no aggregator grades; dsoctl agg open NAME LENGTH -n CONTRIBUTORS makes one"
check "but with a length and contributors" 2 "" agg open grades 2
check "by open" 0 "" agg open grades 2 -n 2
check "ls tells its type" 0 "TYPE*"$'\n'"aggregator *  grades" dsoctl ls -l
check "a contribution says for which round it is" 0 1 agg contribute grades 0 1.5 -- -2
check "stat tells how many have come" 0 '{"name":"grades","length":2,"operation":"sum","element":"double","round":1,"contributed":1,"broken":false}' \
	agg stat grades --json
check "there is no result yet" 1 "" agg get grades
check "which wait waits for" 124 "" agg wait grades --timeout 0
check "numbers come from stdin, too" 0 1 bash -c 'echo "0.25 1e3" | "$0" agg contribute grades 1' "$DSOCTL"
check "get prints the result" 0 $'1.75\n998' agg get grades
check "and so does wait for that round" 0 '{"name":"grades","round":1,"contributors":2,"values":\[1.75,998.0\]}' \
	agg wait grades 1 --json
check "what is no number is refused" 2 "" agg contribute grades 0 1 x
check "as are too few" 2 "" agg contribute grades 0 1
check "and too many" 2 "" agg contribute grades 0 1 2 3
check "and another id" 1 "" agg contribute grades 2 1 2
check "a contribution is replaced by one of the same id" 0 2 agg contribute grades 1 5 5
check "once more" 0 2 agg contribute grades 1 7 8
check "finish ends a round with those who have come" 0 2 agg finish grades
check "who is counted" 0 '{"name":"grades","round":2,"contributors":1,"values":\[7.0,8.0\]}' agg get grades --json
check "a reset begins another round" 0 "" agg reset grades
check "without a result" 1 "" agg wait grades 3
check "the kind of one that is there is told by its name" 1 "" agg open grades 2 max int64 -n 2
complains "*kind: max of int64 asked, the aggregator has sum of double*"
check "operations and integers are told by their names" 0 "" agg open tops 1 argmax int64 -n 2
check "of which there are no others" 2 "" agg open tops 1 product -n 2
check "integers are whole" 2 "" agg contribute tops 0 1.5
check "one of them is the largest" 0 1 agg contribute tops 0 4
agg contribute tops 1 9 >"$scratch/round"
check "its id is the result" 0 1 agg get tops
finish
