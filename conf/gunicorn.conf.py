"""gunicorn under idp_mfa.

`idp-mfa serve` adds bind, workers, threads and the time to finish from the settings; what stands
here is the same at every site.
"""

from __future__ import annotations

from pathlib import Path

worker_class = "idp_mfa.cli.worker.Worker"
# The application is built once, keys and policy loaded, and each worker is a copy of that.
preload_app = True
timeout = 30
keepalive = 5

# Where a heartbeat file on a slow disk could stop a healthy worker, memory serves.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - no data in it

# The longest that fits: a signed AuthnRequest by redirect is one line of the request.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# The client's address and scheme come from the settings, never from what gunicorn makes of headers.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
header_map = "drop"

# The audit is the record of requests; an access log would hold ids and messages.
accesslog = None
errorlog = "-"
loglevel = "info"
control_socket_disable = True
