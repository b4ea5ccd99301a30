#!/bin/bash
# pg_dump and pg_restore, unchanged, as an agent uses them: `with_pg_dump.sh direct|agent HOST PORT`.
set -uo pipefail
mode=$1
export PGHOST=$2 PGPORT=$3 PGUSER=app PGDATABASE=postgres PGCONNECT_TIMEOUT=20 LC_ALL=C.UTF-8
card=4$(printf '1%.0s' {1..15})
masked='411111******1111'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# dumped NAME FILE CARDS WORD: the file has the word, and so many cards, all whole or all masked
dumped() {
  local whole hidden
  whole=$(grep -oF -- "$card" "$2" | wc -l); hidden=$(grep -oF -- "$masked" "$2" | wc -l)
  if [ "$mode" = agent ]; then [ "$whole $hidden" = "0 $3" ]; else [ "$whole $hidden" = "$3 0" ]; fi ||
    { echo "FAILED: $1: $whole whole, $hidden masked, $3 expected"; exit 1; }
  grep -q -- "$4" "$2" || { echo "FAILED: $1: no $4"; exit 1; }
  echo "ok $1"
}
dump() {
  pg_dump "$@" >"$scratch/out" 2>"$scratch/err" ||
    { local said; said=$(cat "$scratch/err"); echo "FAILED: pg_dump $*: ${said//$card/CARD}"; exit 1; }
}

table=(-t public.payments)
dump --schema-only; dumped schema "$scratch/out" 0 'CREATE TABLE public.payments'
dump --data-only "${table[@]}"; cp "$scratch/out" "$scratch/copy"
# The card's column as text and in the JSON: two in one row (numbers are masked by digits, bytea is hex).
sed -i 's/^\(1\tAda Alder\t[^\t]*\).*/\1/' "$scratch/copy"; dumped copy "$scratch/copy" 1 '^COPY public.payments'
dump --inserts --data-only "${table[@]}"
sed -i "s/^\(INSERT INTO public.payments VALUES (1, 'Ada Alder', '[^']*'\).*/\1/" "$scratch/out"; dumped inserts "$scratch/out" 1 '^INSERT INTO'
dump -Fc "${table[@]}"; pg_restore -f "$scratch/text" "$scratch/out" || exit 1
sed -i 's/^\(1\tAda Alder\t[^\t]*\).*/\1/' "$scratch/text"; dumped custom "$scratch/text" 1 'CREATE TABLE public.payments'
dump -Fd -j 2 -f "$scratch/folder"; pg_restore -f "$scratch/text" "$scratch/folder" || exit 1
sed -i 's/^\(1\tAda Alder\t[^\t]*\).*/\1/' "$scratch/text"; dumped parallel "$scratch/text" 1 'CREATE TABLE public.plain'
