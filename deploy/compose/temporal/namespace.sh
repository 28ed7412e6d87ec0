#!/bin/sh
# Creates the namespace unless it exists. The CLI reads TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE. RETENTION is how long
# Temporal keeps closed orders.
set -eu
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
# The frontend learns of a namespace within seconds.
tries=30
until temporal workflow list --namespace "$TEMPORAL_NAMESPACE" --limit 1 >/dev/null; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ]
  sleep 2
done
