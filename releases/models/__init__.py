"""The nouns of Cloud Wiki: their questions and the constraints that hold them. No network here."""

from releases.models.announcement import Announcement, AnnouncementRevision
from releases.models.approval import Approval, ChecklistItem
from releases.models.audit import AuditEvent, AuditHead
from releases.models.backup import Backup, Removal
from releases.models.backup_errand import BackupOrder, BackupProof, BackupReturn, OrderEnding, ProofEnding, ReturnEnding
from releases.models.capacity import CapacityHour, CapacitySample, Component, HostWatch
from releases.models.choices import DeploymentKind, Phase, Role, Status
from releases.models.compatibility import Compatibility
from releases.models.costs import CostItem, CostKind, CostScenario, Price, PriceUnit
from releases.models.deployment import Deployment, Lease
from releases.models.environment import Environment, EnvironmentLock
from releases.models.gpu_account import GpuAccount, GpuSettings
from releases.models.gpu_endpoint import EndpointOrder, EndpointState, GpuEndpoint
from releases.models.gpu_release import GpuSpec
from releases.models.gpu_watch import GpuBill, GpuProof, GpuSample
from releases.models.host import Host
from releases.models.insights import (
    ActiveUsers,
    ActiveUsersSource,
    ComparisonFigures,
    Complaint,
    Threshold,
    ThresholdCrossing,
)
from releases.models.kept_database import KeptDatabase
from releases.models.look import Look, LookEnding
from releases.models.notice import Channel, Delivery, Event, Notice
from releases.models.onboarding import Reading
from releases.models.outage import Coverage, Heartbeat, Outage, Probe, ProbeResult
from releases.models.plan import Plan
from releases.models.project import Project, Service
from releases.models.recovery import Recovery, RecoveryEnding, Rule
from releases.models.release import Artifact, Release
from releases.models.removal import FolderRemoval
from releases.models.risk import HostLooks, Risk, RiskEvent, RiskRound, RiskState, Seen
from releases.models.runbook import Runbook, RunbookVersion
from releases.models.step import Attempt, AttemptFile, LogChunk, Step
from releases.models.traffic import TrafficEstimate
from releases.models.user import Membership, User
from releases.models.variable import Variable
from releases.models.wiki import WikiPage, WikiRedirect, WikiRevision
from releases.models.window import DeployWindow
from releases.models.wording import Stage, Wording

__all__ = [
    "ActiveUsers",
    "ActiveUsersSource",
    "Announcement",
    "AnnouncementRevision",
    "Approval",
    "Artifact",
    "Attempt",
    "AttemptFile",
    "AuditEvent",
    "AuditHead",
    "Backup",
    "BackupOrder",
    "BackupProof",
    "BackupReturn",
    "CapacityHour",
    "CapacitySample",
    "Channel",
    "ChecklistItem",
    "ComparisonFigures",
    "Compatibility",
    "Complaint",
    "Component",
    "CostItem",
    "CostKind",
    "CostScenario",
    "Coverage",
    "Delivery",
    "DeployWindow",
    "Deployment",
    "DeploymentKind",
    "EndpointOrder",
    "EndpointState",
    "Environment",
    "EnvironmentLock",
    "Event",
    "FolderRemoval",
    "GpuAccount",
    "GpuBill",
    "GpuEndpoint",
    "GpuProof",
    "GpuSample",
    "GpuSettings",
    "GpuSpec",
    "Heartbeat",
    "Host",
    "HostLooks",
    "HostWatch",
    "KeptDatabase",
    "Lease",
    "LogChunk",
    "Look",
    "LookEnding",
    "Membership",
    "Notice",
    "OrderEnding",
    "Outage",
    "Phase",
    "Plan",
    "Price",
    "PriceUnit",
    "Probe",
    "ProbeResult",
    "Project",
    "ProofEnding",
    "Reading",
    "Recovery",
    "RecoveryEnding",
    "Release",
    "Removal",
    "ReturnEnding",
    "Risk",
    "RiskEvent",
    "RiskRound",
    "RiskState",
    "Role",
    "Rule",
    "Runbook",
    "RunbookVersion",
    "Seen",
    "Service",
    "Stage",
    "Status",
    "Step",
    "Threshold",
    "ThresholdCrossing",
    "TrafficEstimate",
    "User",
    "Variable",
    "WikiPage",
    "WikiRedirect",
    "WikiRevision",
    "Wording",
]
