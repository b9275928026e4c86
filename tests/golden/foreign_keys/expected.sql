CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.children (
    id integer NOT NULL,
    p1 integer,
    p2 integer NOT NULL,
    p3 integer,
    p4 integer,
    code character varying(3),
    part integer
);
CREATE TABLE public.parents (
    id integer NOT NULL,
    code character varying(3) NOT NULL,
    part integer NOT NULL
);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.parents
    ADD CONSTRAINT parents_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX by_code ON public.parents USING btree (code);
CREATE UNIQUE INDEX by_pair ON public.parents USING btree (code, part);
CREATE INDEX by_two ON public.children USING btree (code, part);
CREATE INDEX cascades ON public.children USING btree (p1);
CREATE INDEX nothing ON public.children USING btree (p4);
CREATE INDEX nulls ON public.children USING btree (p3);
CREATE INDEX restricts ON public.children USING btree (p2);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT by_code FOREIGN KEY (code) REFERENCES public.parents(code) ON DELETE SET NULL;
ALTER TABLE ONLY public.children
    ADD CONSTRAINT by_two FOREIGN KEY (code, part) REFERENCES public.parents(code, part) ON UPDATE CASCADE;
ALTER TABLE ONLY public.children
    ADD CONSTRAINT cascades FOREIGN KEY (p1) REFERENCES public.parents(id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY public.children
    ADD CONSTRAINT nothing FOREIGN KEY (p4) REFERENCES public.parents(id);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT nulls FOREIGN KEY (p3) REFERENCES public.parents(id) ON UPDATE SET NULL ON DELETE SET NULL;
ALTER TABLE ONLY public.children
    ADD CONSTRAINT restricts FOREIGN KEY (p2) REFERENCES public.parents(id);
