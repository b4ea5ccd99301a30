#!/bin/bash
# psql, unchanged, as an agent uses it: `with_psql.sh direct|agent HOST PORT`.
set -uo pipefail
shopt -s lastpipe # `fail` at the end of a pipe ends the script
mode=$1
export PGHOST=$2 PGPORT=$3 PGUSER=app PGDATABASE=postgres PGCONNECT_TIMEOUT=20 LC_ALL=C.UTF-8 PAGER=
card=4$(printf '1%.0s' {1..15})
masked='411111******1111'
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$scratch"' EXIT

ok() { echo "ok $1"; }
fail() { echo "FAILED: ${1//$card/CARD}"; exit 1; }
ask() { psql -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose "$@" 2>&1; }
script() { psql -XAtq -v VERBOSITY=verbose -f - 2>&1; }
# says NAME EXPECTED, actual on standard input
says() { local got; got=$(cat); [ "$got" = "$2" ] || fail "$1: got $(printf %q "$got")"; }
# cards NAME COUNT TEXT: so many cards, all whole or all masked
cards() {
  local whole hidden
  whole=$(grep -oF -- "$card" <<<"$3" | wc -l); hidden=$(grep -oF -- "$masked" <<<"$3" | wc -l)
  if [ "$mode" = agent ]; then [ "$whole $hidden" = "0 $2" ]; else [ "$whole $hidden" = "$2 0" ]; fi ||
    fail "$1: $whole whole, $hidden masked, $2 expected"
}

ask -c 'SELECT 1' | says connect 1; ok connect
ask -c "SELECT 1; SELECT 2" | says simple $'1\n2'; ok simple
script <<'S' | says prepared $'2\n3\nx'; ok prepared
PREPARE plus(int) AS SELECT $1 + 1;
EXECUTE plus(1);
EXECUTE plus(2);
DEALLOCATE plus;
SELECT 'x' AS value \gset
\echo :value
S
cards masked 1 "$(ask -c 'SELECT pan FROM payments')"
cards 'a whole row' 1 "$(ask -c 'SELECT id, customer, pan FROM payments')"
cards expanded 1 "$(ask -x -c 'SELECT pan FROM payments')"
ok masked
cards copy-out 1 "$(ask -c '\copy payments (id, pan) to stdout')"
cards query 1 "$(ask -c '\copy (SELECT pan FROM payments) to stdout')"
cards csv 1 "$(ask -c '\copy payments (pan) to stdout csv header')"
ask -c "\\copy payments (id, pan) to '$scratch/out' binary"  || fail "a binary COPY"
cards binary 1 "$(tr -d '\0' <"$scratch/out" | tr -c '0-9*' '\n')"
out=$(ask -c '\copy (SELECT note FROM tickets) to stdout')
if [ "$mode" = agent ]; then grep -qF '4111 11** **** 1111' <<<"$out" || fail 'a query copied out'; fi
ok copy-out
seq 1 10000 | sed 's/$/\tnote/' >"$scratch/in"
ask -c 'DELETE FROM plain' -c "\\copy plain from '$scratch/in'" -c 'SELECT count(*), sum(id) FROM plain' | says copy-in '10000|50005000'
script <<'S' | says 'copy-in from a script' $'7|seven\n8|'; ok copy-in
DELETE FROM plain;
\copy plain from stdin csv
7,seven
8,
\.
SELECT * FROM plain;
DELETE FROM plain;
S

# Ctrl-C: psql asks for a cancel and goes on with its script.
printf '%s\n' "SELECT pg_backend_pid() \\g $scratch/pid" 'SELECT pg_catalog.pg_sleep(60);' "SELECT 'went on';" >"$scratch/sleep.sql"
psql -XAtq -v VERBOSITY=sqlstate -f "$scratch/sleep.sql" >"$scratch/slept" 2>&1 &
until [ -s "$scratch/pid" ]; do :; done
until [ "$(ask -c "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = $(cat "$scratch/pid")")" = 1 ]; do :; done
kill -INT %%
wait %%
grep -q 57014 "$scratch/slept" || fail "a cancelled statement: $(cat "$scratch/slept")"
ok cancel

out=$(script <<S
LISTEN jobs;
NOTIFY jobs, 'first';
NOTIFY jobs, 'card $card';
SELECT 1;
S
)
grep -q 'Asynchronous notification "jobs" with payload "first" received from server process' <<<"$out" || fail 'a notification'
cards 'a payload' 1 "$out"
ok notify

script <<'S' >"$scratch/out"
BEGIN;
INSERT INTO plain VALUES (1, 'gone');
ROLLBACK;
BEGIN;
INSERT INTO plain VALUES (2, 'stays');
SAVEPOINT s;
SELECT 1 / 0;
SELECT 1;
ROLLBACK TO s;
INSERT INTO plain VALUES (4, 'stays');
COMMIT;
SELECT id FROM plain ORDER BY id;
DELETE FROM plain;
S
grep -q 22012 "$scratch/out" && grep -q 25P02 "$scratch/out" || fail 'the errors of a failed transaction'
tail -2 "$scratch/out" | says transactions $'2\n4'; ok transactions

out=$(script <<<$'SELECT 1 / 0;\nSELECT \'x\'::int;\nSELECT (pan || \' x\')::date FROM payments WHERE id = 1;\nSELECT 5;')
grep -q 22012 <<<"$out" && grep -q 22P02 <<<"$out" && tail -1 <<<"$out" | grep -qx 5 || fail 'errors, and going on'
# An error over a sensitive table loses the value whole.
cards "an error's text" $([ "$mode" = agent ] && echo 0 || echo 1) "$out"
ok error

if [ "$mode" = agent ]; then
  out=$(script <<<$'DROP TABLE payments;\nSELECT 5;')
  grep -q 42501 <<<"$out" && tail -1 <<<"$out" | grep -qx 5 || fail "a refusal, and going on: $out"
  # What derives from a sensitive column and is neither it nor a whole value is refused.
  out=$(ask -c '\copy (SELECT substr(pan, 1, 8) FROM payments) to stdout')
  grep -q 42501 <<<"$out" || fail 'a part of a sensitive column copied out'
  ok refused
fi

ask -P null=NIL -c "SELECT NULL, NULL::int, ''" | says nulls 'NIL|NIL|'; ok nulls
ask -c "SELECT repeat('x', 1048576)" >"$scratch/out"
[ "$(wc -c <"$scratch/out")" = 1048577 ] || fail 'a megabyte'
cards big 1 "$(ask -c "SELECT repeat('x', 1048576) || ' ' || (meta->>'pan') || ' ' || repeat('z', 1048576) FROM payments WHERE id = 1")"
{ echo "INSERT INTO plain VALUES (1, '"; head -c 900000 /dev/zero | tr '\0' y; echo "');"; } >"$scratch/in"
ask -f "$scratch/in" -c 'SELECT length(note) FROM plain' -c 'DELETE FROM plain' | says 'a big statement' 900001; ok big
many='SELECT pan FROM payments, generate_series(1, 10000) g WHERE id = 1'
cards many 10000 "$(ask -c "$many")"; ok many
cards cursor 10000 "$(ask -v FETCH_COUNT=333 -c "$many")"; ok cursor
for command in '\d' '\d payments' '\d+ payments' '\dt+' '\dn+' '\du' '\df' '\l' '\dT' '\di' '\dp' '\sf pg_catalog.lower(text)' '\conninfo'; do
  out=$(ask -c "$command") && ! grep -q ERROR <<<"$out" || fail "$command: $out"
done
ok catalog
