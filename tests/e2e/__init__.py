"""Tests against the real Envoy binary."""
