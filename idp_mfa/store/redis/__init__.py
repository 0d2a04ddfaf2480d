"""The store on a Redis or Valkey server: the only place that knows its library."""

from idp_mfa.store.redis.audit_window import RedisAuditWindow
from idp_mfa.store.redis.server import RedisServer, ServerFacts, Unfit
from idp_mfa.store.redis.verbs import RedisStore

__all__ = ["RedisAuditWindow", "RedisServer", "RedisStore", "ServerFacts", "Unfit"]
