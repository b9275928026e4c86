CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.boxes (
    id integer NOT NULL,
    w integer NOT NULL,
    h integer,
    name character varying(20),
    area integer GENERATED ALWAYS AS (((w)::bigint * (h)::bigint)) STORED,
    half numeric(10,2) GENERATED ALWAYS AS (round(((w)::numeric / (2)::numeric), 4)) STORED,
    label character varying(50) GENERATED ALWAYS AS ((((((name)::text || ': '::text) || (w)::text) || 'x'::text) || (h)::text)) STORED,
    big smallint GENERATED ALWAYS AS ((((w > 10) AND (h > 10)))::integer) STORED,
    letter character varying(1) GENERATED ALWAYS AS ("left"(upper((name)::text), 1)) STORED,
    size character varying(5) GENERATED ALWAYS AS (
CASE
    WHEN (w > 10) THEN 'big'::text
    ELSE 'small'::text
END) STORED,
    twice integer GENERATED ALWAYS AS ((((w)::bigint * (h)::bigint) * 2)) STORED
);
COMMENT ON COLUMN public.boxes.label IS 'as printed';
CREATE TABLE public.docs (
    id integer NOT NULL,
    doc json,
    name character varying(50) GENERATED ALWAYS AS (
CASE json_typeof((doc -> 'name'::text))
    WHEN 'null'::text THEN 'null'::text
    ELSE ((doc -> 'name'::text) #>> '{}'::text[])
END) STORED,
    y integer GENERATED ALWAYS AS ((EXTRACT(year FROM made))::integer) STORED,
    made date
);
ALTER TABLE ONLY public.boxes
    ADD CONSTRAINT boxes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.docs
    ADD CONSTRAINT docs_pkey PRIMARY KEY (id);
CREATE INDEX by_area ON public.boxes USING btree (area);
CREATE UNIQUE INDEX by_label ON public.boxes USING btree (label);
CREATE INDEX by_name ON public.docs USING btree (name);
CREATE INDEX by_twice ON public.boxes USING btree (twice);
