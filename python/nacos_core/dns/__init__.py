"""Services by DNS: what names mean, and what is answered. A query in, an answer out; no socket, no trio."""
