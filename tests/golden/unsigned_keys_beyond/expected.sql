CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.a (
    id numeric(20,0) NOT NULL
);
CREATE TABLE public.b (
    id numeric(20,0) NOT NULL,
    a numeric(20,0)
);
ALTER TABLE ONLY public.a
    ADD CONSTRAINT a_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.b
    ADD CONSTRAINT b_pkey PRIMARY KEY (id);
CREATE INDEX b_a ON public.b USING btree (a);
ALTER TABLE ONLY public.b
    ADD CONSTRAINT b_a FOREIGN KEY (a) REFERENCES public.a(id);
ALTER TABLE ONLY public.b
    ADD CONSTRAINT b_too FOREIGN KEY (id) REFERENCES public.a(id);
