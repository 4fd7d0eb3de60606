"""Interop: real proxies and WAFs in front of the real Envoy, honest clients and forgers. ``make interop`` runs it."""
