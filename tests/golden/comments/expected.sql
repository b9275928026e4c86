CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.described (
    id integer NOT NULL,
    v character varying(9),
    n integer,
    "none" integer
);
COMMENT ON TABLE public.described IS 'a table, it''s said';
COMMENT ON COLUMN public.described.id IS 'the id';
COMMENT ON COLUMN public.described.v IS 'it''s "quoted", %s :x \ 
 second line';
COMMENT ON COLUMN public.described.n IS '桜 ?';
CREATE TABLE public.plain (
    id integer NOT NULL,
    n integer
);
ALTER TABLE ONLY public.described
    ADD CONSTRAINT described_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.plain
    ADD CONSTRAINT plain_pkey PRIMARY KEY (id);
CREATE INDEX by_n ON public.plain USING btree (n);
