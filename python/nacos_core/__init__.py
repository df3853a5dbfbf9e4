"""A naming and configuration server that speaks the Nacos wire protocols."""
