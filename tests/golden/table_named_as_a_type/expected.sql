CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.bytea (
    id integer NOT NULL,
    b bytea
);
CREATE TABLE public."integer" (
    id integer NOT NULL,
    "numeric" numeric(5,2)
);
CREATE TABLE public.text (
    id integer NOT NULL,
    date date,
    text text,
    v character varying(5)
);
CREATE TABLE public."timestamp" (
    id integer NOT NULL,
    "interval" interval,
    "timestamp" timestamp(0) with time zone
);
ALTER TABLE ONLY public.bytea
    ADD CONSTRAINT bytea_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public."integer"
    ADD CONSTRAINT integer_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.text
    ADD CONSTRAINT text_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public."timestamp"
    ADD CONSTRAINT timestamp_pkey PRIMARY KEY (id);
