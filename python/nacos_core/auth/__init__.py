"""Who may: passwords, tokens and what a request says about its sender. No trio and no IO in here."""
