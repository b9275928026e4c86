CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.shops (
    id integer NOT NULL,
    manager integer NOT NULL
);
CREATE TABLE public.staff (
    id integer NOT NULL,
    shop integer NOT NULL,
    boss integer
);
ALTER TABLE ONLY public.shops
    ADD CONSTRAINT shops_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_pkey PRIMARY KEY (id);
CREATE INDEX shops_manager ON public.shops USING btree (manager);
CREATE INDEX staff_boss ON public.staff USING btree (boss);
CREATE INDEX staff_shop ON public.staff USING btree (shop);
ALTER TABLE ONLY public.shops
    ADD CONSTRAINT shops_manager FOREIGN KEY (manager) REFERENCES public.staff(id);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_boss FOREIGN KEY (boss) REFERENCES public.staff(id);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_shop FOREIGN KEY (shop) REFERENCES public.shops(id);
