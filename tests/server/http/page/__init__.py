"""The page in a real browser: headless Chromium, on loopback and on this machine's address."""
