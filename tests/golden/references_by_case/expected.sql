CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.children (
    id integer NOT NULL,
    code character varying(5)
);
CREATE TABLE public.parents (
    code character varying(5) NOT NULL
);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.parents
    ADD CONSTRAINT parents_pkey PRIMARY KEY (code);
CREATE INDEX children_code ON public.children USING btree (code);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_code FOREIGN KEY (code) REFERENCES public.parents(code) NOT VALID;
