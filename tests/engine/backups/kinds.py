"""The kinds of store that copies of backups go to."""

FOLDER, S3 = "folder", "s3"
