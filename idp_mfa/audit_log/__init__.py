"""The record of what happened: JSON lines, syslog, and the window to look things up."""

from idp_mfa.audit_log.trail import AuditTrail, audit_trail
from idp_mfa.audit_log.window import AuditWindow, MemoryWindow

__all__ = ["AuditTrail", "AuditWindow", "MemoryWindow", "audit_trail"]
