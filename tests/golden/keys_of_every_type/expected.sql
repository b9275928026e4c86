CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.by_choice_k_enum AS ENUM (
    'z',
    'a'
);
CREATE TABLE public.by_big (
    k numeric(20,0) NOT NULL,
    n integer
);
CREATE TABLE public.by_bit (
    k bigint NOT NULL,
    n integer
);
CREATE TABLE public.by_bytes (
    k bytea NOT NULL,
    n integer
);
CREATE TABLE public.by_choice (
    k public.by_choice_k_enum NOT NULL,
    n integer
);
CREATE TABLE public.by_decimal (
    k numeric(30,10) NOT NULL,
    n integer
);
CREATE TABLE public.by_double (
    k double precision NOT NULL,
    f real
);
CREATE TABLE public.by_float (
    k real NOT NULL
);
CREATE TABLE public.by_instant (
    k timestamp(3) with time zone NOT NULL,
    n integer
);
CREATE TABLE public.by_moment (
    k timestamp(6) without time zone NOT NULL,
    n integer
);
CREATE TABLE public.by_prefix (
    k text NOT NULL,
    n integer
);
CREATE TABLE public.by_set (
    k text[] NOT NULL,
    n integer,
    CONSTRAINT by_set_k_check CHECK ((k <@ ARRAY['z'::text, 'a'::text]))
);
CREATE TABLE public.by_text (
    k character varying(20) NOT NULL,
    n integer
);
CREATE TABLE public.by_time (
    k interval NOT NULL,
    n integer
);
CREATE TABLE public.by_year (
    k smallint NOT NULL,
    d date NOT NULL,
    n integer
);
ALTER TABLE ONLY public.by_big
    ADD CONSTRAINT by_big_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_bit
    ADD CONSTRAINT by_bit_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_bytes
    ADD CONSTRAINT by_bytes_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_choice
    ADD CONSTRAINT by_choice_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_decimal
    ADD CONSTRAINT by_decimal_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_double
    ADD CONSTRAINT by_double_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_float
    ADD CONSTRAINT by_float_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_instant
    ADD CONSTRAINT by_instant_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_moment
    ADD CONSTRAINT by_moment_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_prefix
    ADD CONSTRAINT by_prefix_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_set
    ADD CONSTRAINT by_set_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_text
    ADD CONSTRAINT by_text_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_time
    ADD CONSTRAINT by_time_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.by_year
    ADD CONSTRAINT by_year_pkey PRIMARY KEY (d, k);
CREATE UNIQUE INDEX "PRIMARY" ON public.by_prefix USING btree ("left"(k, 5));
