"""How ids are chosen from predictions: penalties, filters, draws and samplers of their own kind."""
