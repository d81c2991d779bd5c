-- The application's database as release 1 left it.
create database cloudwiki;
\connect cloudwiki
create extension vector;
create table meeting (
    id bigint generated always as identity primary key,
    title text not null,
    held_at timestamptz not null
);
create table member (
    id bigint generated always as identity primary key,
    meeting_id bigint not null references meeting,
    name text not null
);
insert into meeting (title, held_at)
select '모임 ' || n, timestamptz '2026-01-07 02:00+09' + n * interval '1 week' from generate_series(1, 500) n;
insert into member (meeting_id, name)
select 1 + n % 500, '회원 ' || n from generate_series(1, 5000) n;
create table schema_version (version integer primary key);
insert into schema_version values (1);
