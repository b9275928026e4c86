CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.notes_e_enum AS ENUM (
    'x',
    'y'
);
CREATE TABLE public.kept (
    id integer NOT NULL,
    a character varying(10)
);
CREATE TABLE public.notes (
    id integer NOT NULL,
    a integer NOT NULL,
    b character varying(200),
    t text,
    raw bytea,
    d date,
    e public.notes_e_enum
);
ALTER TABLE ONLY public.kept
    ADD CONSTRAINT kept_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (id, a);
CREATE INDEX again ON public.notes USING btree (a);
CREATE INDEX by_a ON public.kept USING btree (a);
CREATE INDEX first_bytes ON public.notes USING btree (substr(raw, 1, 7));
CREATE INDEX first_letters ON public.notes USING btree ("left"(t, 20));
CREATE INDEX hashed ON public.notes USING btree (b);
CREATE INDEX mixed ON public.notes USING btree (a, d DESC, "left"((b)::text, 5));
CREATE INDEX newest ON public.notes USING btree (d DESC);
CREATE UNIQUE INDEX nulls ON public.notes USING btree (d, e);
CREATE UNIQUE INDEX once ON public.notes USING btree (b);
CREATE UNIQUE INDEX once_bytes ON public.notes USING btree (substr(raw, 1, 2));
CREATE UNIQUE INDEX once_short ON public.notes USING btree ("left"(t, 3));
CREATE INDEX other_way ON public.notes USING btree (a, b);
CREATE INDEX plain ON public.notes USING btree (a);
CREATE INDEX two ON public.notes USING btree (b, a);
