CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.parents_e_enum AS ENUM (
    'a',
    'b'
);
CREATE TABLE public.children (
    id character varying(40) NOT NULL,
    small character varying(9),
    b bytea,
    d timestamp(3) without time zone,
    e public.parents_e_enum,
    n numeric(10,2)
);
CREATE TABLE public.parents (
    id character varying(20) NOT NULL,
    small character varying(5),
    b bytea,
    d timestamp(3) without time zone,
    t timestamp(0) with time zone,
    e public.parents_e_enum,
    n numeric(10,2)
);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.parents
    ADD CONSTRAINT parents_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX b ON public.parents USING btree (b);
CREATE INDEX c_b ON public.children USING btree (b);
CREATE INDEX c_d ON public.children USING btree (d);
CREATE INDEX c_e ON public.children USING btree (e);
CREATE INDEX c_n ON public.children USING btree (n);
CREATE INDEX c_small ON public.children USING btree (small);
CREATE UNIQUE INDEX d ON public.parents USING btree (d);
CREATE UNIQUE INDEX e ON public.parents USING btree (e);
CREATE UNIQUE INDEX n ON public.parents USING btree (n);
CREATE UNIQUE INDEX s ON public.parents USING btree (small);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT c_b FOREIGN KEY (b) REFERENCES public.parents(b);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT c_d FOREIGN KEY (d) REFERENCES public.parents(d);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT c_e FOREIGN KEY (e) REFERENCES public.parents(e);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT c_id FOREIGN KEY (id) REFERENCES public.parents(id);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT c_n FOREIGN KEY (n) REFERENCES public.parents(n);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT c_small FOREIGN KEY (small) REFERENCES public.parents(small);
