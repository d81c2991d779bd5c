"""What the rows tell: figures, rules over them, plans beside measurements. Reads the models, changes nothing."""
