"""The demo: the main job on one machine, with real parts and a throwaway PKI."""
