"""The tables of the SQLite ledger. An index for each question that is asked again and again."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    priority INTEGER NOT NULL,
    created_at REAL NOT NULL,
    queued_at REAL,
    not_before REAL NOT NULL,
    finished_at REAL,
    lease_token TEXT,
    lease_expires_at REAL,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    record BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_owner ON uploads (owner, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS uploads_newest ON uploads (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS uploads_by_status ON uploads (status, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS uploads_unfinished ON uploads (owner, created_at) WHERE finished_at IS NULL;
CREATE INDEX IF NOT EXISTS uploads_finished ON uploads (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_ended ON uploads (stage, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_queued ON uploads (owner, priority DESC, queued_at) WHERE stage = 'queued';
CREATE INDEX IF NOT EXISTS uploads_reserved ON uploads (queued_at) WHERE stage = 'receiving' AND lease_token IS NULL;
CREATE INDEX IF NOT EXISTS uploads_held ON uploads (owner) WHERE lease_token IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_lapsing ON uploads (lease_expires_at) WHERE lease_token IS NOT NULL;
DROP INDEX IF EXISTS uploads_receiving; -- of an older build, as the next one
DROP INDEX IF EXISTS uploads_leased;
CREATE TABLE IF NOT EXISTS events (
    upload_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (upload_id, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, served_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deployment (id TEXT NOT NULL);
INSERT INTO deployment (id) SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM deployment);
"""
