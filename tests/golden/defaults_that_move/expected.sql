CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.expressions (
    id integer NOT NULL,
    sum_ integer DEFAULT (1 + 2),
    day date DEFAULT (statement_timestamp())::date,
    time_ interval DEFAULT ((date_trunc('second'::text, (statement_timestamp())::timestamp without time zone))::time without time zone)::interval,
    token character varying(36) DEFAULT (gen_random_uuid())::text,
    chance double precision DEFAULT random(),
    later timestamp(0) without time zone DEFAULT (date_trunc('second'::text, (statement_timestamp())::timestamp without time zone) + '1 day'::interval),
    joined character varying(20) DEFAULT ('a'::text || 'b'::text),
    other integer,
    t text DEFAULT 'text'::text,
    bl bytea DEFAULT '\x626c6f62'::bytea,
    doc json DEFAULT '{"a": 1}'::json,
    upper_ character varying(9) DEFAULT upper('x'::text),
    yr integer DEFAULT (EXTRACT(year FROM (statement_timestamp())::date))::integer
);
CREATE TABLE public.moving (
    id integer NOT NULL,
    ts timestamp(0) with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    ts6 timestamp(6) with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    dt timestamp(0) without time zone DEFAULT CURRENT_TIMESTAMP,
    dt6 timestamp(6) without time zone DEFAULT CURRENT_TIMESTAMP
);
ALTER TABLE ONLY public.expressions
    ADD CONSTRAINT expressions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.moving
    ADD CONSTRAINT moving_pkey PRIMARY KEY (id);
