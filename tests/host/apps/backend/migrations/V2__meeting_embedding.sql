create table meeting_embedding (
    meeting_id bigint primary key references meeting,
    embedding vector(3) not null
);
create index meeting_embedding_nearest on meeting_embedding using hnsw (embedding vector_l2_ops);
insert into meeting_embedding (meeting_id, embedding)
select id, array[id % 7, id % 11, id % 13]::real[]::vector from meeting;
insert into schema_version values (2);
