"""The sample project that test hosts run: a Java service and a Next.js application, in three releases.

Release 1 needs the schema of the image, release 2 `backend/migrations/V2__meeting_embedding.sql`, and the health check
of release 3 answers 500.
"""
